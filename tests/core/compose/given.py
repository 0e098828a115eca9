"""What the tests of compose files begin with: a policy, and a service that is isolated under it."""

from ink_infra_mcp.core.isolation import Isolation
from ink_infra_mcp.core.plan import JsonObject

POLICY = Isolation(runtime="runsc", pids_limit=512, cap_drop=("ALL",), cap_add=("CHOWN",), forbidden={})
ISOLATED: JsonObject = {
    "runtime": "runsc",
    "cap_drop": ["ALL"],
    "cap_add": ["CHOWN"],
    "pids_limit": 512,
    "mem_limit": "1g",
    "cpus": "1",
}
