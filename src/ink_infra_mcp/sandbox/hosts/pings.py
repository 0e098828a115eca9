"""What ping says on a pretend server: packets cross the private network, whole, up to what both cards carry."""

import shlex
from collections.abc import Iterator

from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_hosts import HostState

HEADERS = 28
"""Of IPv4 and ICMP."""
_ASKED = '[ "$1 $2 $3 $4 $5 $6 $7 $8 $9" = "-n -q -c 3 -W 2 -M do -s" ] && [ $# = 11 ] || unknown\nshift 9'


def ping_script(state: WorldState, host: HostState) -> str:
    """Return the body of the command: it ends with 0 where an answer came, with 1 where none did (ping(8), iputils)."""
    largest = "\n".join(f"  {shlex.quote(at)}) most={most} ;;" for at, most in _reached(state, host))
    return f"""{_ASKED}
most=-1
case $2 in
{largest}
esac
if [ "$1" -le "$most" ]; then
  printf '%s\\n' "--- $2 ping statistics ---" '3 packets transmitted, 3 received, 0% packet loss, time 2003ms'
  exit 0
fi
printf '%s\\n' "--- $2 ping statistics ---" '3 packets transmitted, 0 received, 100% packet loss, time 2047ms'
exit 1"""


def _reached(state: WorldState, host: HostState) -> Iterator[tuple[str, int]]:
    """Yield each private address that answers, with the most bytes that ping can put into one packet there."""
    for other in state.hosts.values():
        if host.private_address and other.private_address and other.up:
            yield other.private_address, min(host.private_mtu, other.private_mtu) - HEADERS
