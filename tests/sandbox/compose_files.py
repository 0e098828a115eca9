"""Compose files for the pretend `docker compose config`: each shows one thing that Compose does."""

FILES: dict[str, str] = {
    "ports": """\
services:
  web:
    image: web:1
    ports: ['3000', 8080:80, 127.0.0.1::81, 53:53/udp, 3000-3001:4000-4001, 8000-8002:82, '[::1]:90:90',
      {target: 83, published: 8081}, {target: 84, published: '90-92', host_ip: 127.0.0.1}]
""",
    "volumes": """\
services:
  web:
    image: web:1
    volumes: [data:/data, data2:/d2:ro, /srv:/srv, ./x:/x, ~/y:/y, /anonymous, {type: tmpfs, target: /t},
      {type: volume, source: data, target: /long, read_only: true, volume: {nocopy: true}},
      {type: bind, source: ./z, target: /z, bind: {propagation: rslave}}]
volumes: {data: , data2: {driver: local, labels: {a: 1}}, unused: {}}
""",
    "environment": """\
services:
  web: {image: web:1, environment: {A: 1, B: true, C: 1.50, D: null, E: '', F: 0o17, G: '$$x', H: '${NONE:-d}'}}
  list: {image: web:1, environment: [A=1, B=x=y, C, A=2], labels: [a=1, b, a=2]}
""",
    "limits": """\
services:
  a: {image: a, mem_limit: 64GiB, cpus: '0.5', pids_limit: '100', shm_size: 64m}
  b: {image: b, mem_limit: 32 g, memswap_limit: -1, mem_reservation: 1g}
  c: {image: c, deploy: {replicas: 2, resources: {limits: {memory: 1.5g, cpus: '0.25', pids: 5}}}}
  d: {image: d, mem_limit: 0, privileged: 'true', read_only: false, init: true, tty: 'no'}
""",
    "commands": """\
services:
  a: {image: a, command: "run 'two words' x", entrypoint: [sh, -c], healthcheck: {test: curl x, interval: 90s}}
  b: {image: b, command: [], stop_grace_period: 1m30s, dns: 1.1.1.1, tmpfs: /run, extra_hosts: ['a:192.0.2.1']}
""",
    "networks": """\
services:
  a: {image: a, networks: [front]}
  b: {image: b, networks: {front: {aliases: [x]}, back: }, depends_on: [a]}
  c: {image: c, network_mode: host, depends_on: {a: {condition: service_healthy}}}
networks: {front: {internal: true}, back: {external: true}, unused: {name: other}}
""",
    "files": """\
services:
  a: {image: a, configs: [c, {source: d, target: /d, mode: 288}], secrets: [s]}
configs: {c: {content: "x\\ny"}, d: {file: ./d}}
secrets: {s: {file: ./s}}
""",
    "merges": "x-a: &a {image: a, restart: always}\nservices: {web: {<<: *a, restart: 'no'}, db: *a}\n",
    "build": "services: {web: {build: ., ports: []}, db: {build: {context: x, args: [A=1]}}}\n",
    "logging": "services: {web: {image: x, logging: {driver: json-file, options: {max-file: 3}}, runtime: runsc}}\n",
    "gpus": "services:\n  w:\n    image: x\n    deploy:\n      resources: {reservations: {devices: "
    "[{driver: nvidia, count: all, capabilities: [gpu]}]}}\n",
    "devices": "services: {web: {image: x, devices: [/dev/a, '/dev/b:/dev/c:r'], cap_drop: [ALL], cap_add: [A, A]}}\n",
    "unknown key": "services: {web: {image: x, foo: 1}}\n",
    "no list": "services: {web: {image: x, cap_add: {}}}\n",
    "no size": "services: {web: {image: x, mem_limit: lots}}\n",
    "no image": "services: {web: {restart: always}}\n",
    "no network": "services: {web: {image: x, networks: [a]}}\n",
    "twice": "services:\n  web:\n    image: x\n    image: y\n",
    "named and many": "services: {web: {image: x, container_name: a, scale: 2}}\n",
    "two limits": "services: {web: {image: x, mem_limit: 1g, deploy: {resources: {limits: {memory: 2g}}}}}\n",
    "missing file": "services: {web: {image: x, env_file: /nowhere/a.env}}\n",
    "needed": "services: {web: {image: '${IMAGE:?is needed}'}}\n",
    "no services": "services: []\n",
}
