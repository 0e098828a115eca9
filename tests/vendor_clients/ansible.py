"""Runs modules of Ansible's collections, unchanged, against emulators on this machine."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.vendor_clients.installing import Clients

PATIENCE_S = 300
Task = tuple[str, Mapping[str, Any]]
"""A module's full name and its arguments."""
OF_ANSIBLE = ("deprecations", "diff", "exception", "failed", "invocation", "warnings")
"""What Ansible itself has to say beside a module's answer."""


@dataclass(frozen=True)
class Ansible:
    """Runs playbooks in `folder`, with `environment` on top of what every program needs."""

    clients: Clients
    folder: Path
    environment: Mapping[str, str]
    login: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The arguments that every task gets."""

    def run(self, *tasks: Task) -> list[dict[str, Any]]:
        """Return what each task answered, in one playbook: one that failed, too, which ends nothing."""
        told, play = self.folder / "told.json", self.folder / "play.json"
        play.write_text(json.dumps([self._play(tasks, told)]), encoding="utf-8")
        words = [self.clients.playbook, "--inventory", "localhost,", play]
        done = subprocess.run(
            words, env=self._all(), cwd=self.folder, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return [_own(answer) for answer in json.loads(told.read_text(encoding="utf-8"))]

    def _play(self, tasks: Sequence[Task], told: Path) -> dict[str, Any]:
        asked = [
            {module: {**self.login, **arguments}, "register": f"r{number}", "ignore_errors": True}
            for number, (module, arguments) in enumerate(tasks)
        ]
        every = ", ".join(f"r{number}" for number in range(len(tasks)))
        keep = {"ansible.builtin.copy": {"content": f"{{{{ [{every}] | to_json }}}}", "dest": str(told)}}
        here = {"ansible_connection": "local", "ansible_python_interpreter": str(self.clients.python)}
        return {"hosts": "localhost", "gather_facts": False, "vars": here, "tasks": [*asked, keep]}

    def _all(self) -> dict[str, str]:
        at_home = {"HOME": str(self.folder), "ANSIBLE_HOME": str(self.folder), "ANSIBLE_NOCOLOR": "1"}
        found = {"ANSIBLE_COLLECTIONS_PATH": str(self.clients.collections), "PATH": os.environ.get("PATH", os.defpath)}
        return {**at_home, **found, "ANSIBLE_PIPELINING": "1", "LC_ALL": "C.UTF-8", **self.environment}


def _own(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Of a refusal that is told in full, the sentence with the vendor's changing request id says nothing more."""
    said = {name: value for name, value in answer.items() if name not in OF_ANSIBLE}
    if "failure" in said:
        del said["msg"]
    return said
