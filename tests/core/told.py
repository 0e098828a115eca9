"""What Docker 26.1 said of a container that Compose made as Coolify's file for an app asks, under runsc."""

import json

from ink_infra_mcp.core.container import Made, Mount, Told
from ink_infra_mcp.core.isolation import Isolation
from ink_infra_mcp.core.plan import JsonObject

APP = "abcdefghijklmnopqrstuvwx"
POLICY = Isolation(runtime="runsc", pids_limit=512, cap_drop=("ALL",), cap_add=("CHOWN", "KILL"), forbidden={})
HOST_CONFIG: JsonObject = json.loads(
    '{"AutoRemove":false,"Binds":null,"BlkioDeviceReadBps":null,"BlkioDeviceReadIOps":null,"BlkioDeviceWriteBps":null,'
    '"BlkioDeviceWriteIOps":null,"BlkioWeight":0,"BlkioWeightDevice":null,"CapAdd":["CHOWN","KILL"],"CapDrop":["ALL"],'
    '"Cgroup":"","CgroupParent":"","CgroupnsMode":"private","ConsoleSize":[0,0],"ContainerIDFile":"","CpuCount":0,'
    '"CpuPercent":0,"CpuPeriod":0,"CpuQuota":0,"CpuRealtimePeriod":0,"CpuRealtimeRuntime":0,"CpuShares":0,'
    '"CpusetCpus":"","CpusetMems":"","DeviceCgroupRules":null,"DeviceRequests":null,"Devices":null,"Dns":null,'
    '"DnsOptions":null,"DnsSearch":null,"ExtraHosts":[],"GroupAdd":null,"IOMaximumBandwidth":0,"IOMaximumIOps":0,'
    '"IpcMode":"private","Isolation":"","Links":null,"LogConfig":{"Config":{},"Type":"json-file"},"MaskedPaths":['
    '"/proc/asound","/proc/acpi","/proc/kcore","/proc/keys","/proc/latency_stats","/proc/timer_list",'
    '"/proc/timer_stats","/proc/sched_debug","/proc/scsi","/sys/firmware","/sys/devices/virtual/powercap"],'
    '"Memory":134217728,"MemoryReservation":0,"MemorySwap":268435456,"MemorySwappiness":null,"Mounts":[{"Source":'
    '"abcdefghijklmnopqrstuvwx_data","Target":"/data","Type":"volume","VolumeOptions":{}},{"Target":"/cache","Type":'
    '"tmpfs"}],"NanoCpus":0,"NetworkMode":"39fdc51b669951fe69bd44b8032fbbee5010f8a50cdfbbee2a48883f5512d5ee",'
    '"OomKillDisable":false,"OomScoreAdj":0,"PidMode":"","PidsLimit":512,"PortBindings":{},"Privileged":false,'
    '"PublishAllPorts":false,"ReadonlyPaths":["/proc/bus","/proc/fs","/proc/irq","/proc/sys","/proc/sysrq-trigger"],'
    '"ReadonlyRootfs":false,"RestartPolicy":{"MaximumRetryCount":0,"Name":"unless-stopped"},"Runtime":"runsc",'
    '"SecurityOpt":["no-new-privileges:true"],"ShmSize":67108864,"Tmpfs":{"/tmp":""},"UTSMode":"","Ulimits":null,'
    '"UsernsMode":"","VolumeDriver":"","VolumesFrom":null}'
)
NETWORK_ID = "39fdc51b669951fe69bd44b8032fbbee5010f8a50cdfbbee2a48883f5512d5ee"
ENDPOINT: JsonObject = {
    "Aliases": [f"web-{APP}", "web"],
    "DNSNames": [f"web-{APP}", "web", "5f2288d853b7"],
    "DriverOpts": None,
    "GlobalIPv6Address": "",
    "IPAMConfig": None,
    "IPAddress": "172.18.0.2",
    "Links": None,
    "NetworkID": NETWORK_ID,
}
VOLUME = Mount(
    type="volume",
    name=f"{APP}_data",
    source=f"/var/lib/docker/volumes/{APP}_data/_data",
    destination="/data",
    driver="local",
    writable=True,
)
PLAIN = Told(
    host_config=HOST_CONFIG,
    mounts=(VOLUME, Mount(type="tmpfs", destination="/cache", writable=True)),
    networks={APP: ENDPOINT},
    ports=(),
    volumes=(Made(name=f"{APP}_data", driver="local"),),
    server_networks=(Made(name=APP, driver="bridge"), Made(name="coolify", driver="bridge")),
    own_cgroups=True,
)


def told(**changed: object) -> Told:
    """Return what was said of the plain container, with keys of its HostConfig said otherwise."""
    return PLAIN.model_copy(update={"host_config": {**HOST_CONFIG, **changed}})
