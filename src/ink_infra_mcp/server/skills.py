"""Skills: the runbooks of prompts/ for hosts that load Agent Skills over MCP; the texts are the prompts' own.

The methods, the addresses and the entry with its digest are those of the extension `io.modelcontextprotocol/skills`
(SEP-2640), the head of a SKILL.md that of agentskills.io. The extension is of protocol 2026-07-28; to clients of the
older ones a skill is a resource like any other.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mcp import MCPError, types
from mcp.server.lowlevel import Server
from mcp.types.version import MODERN_PROTOCOL_VERSIONS

from ink_infra_mcp.server.asking import Context
from ink_infra_mcp.server.prompts import PromptFile, Prompts

EXTENSION = "io.modelcontextprotocol/skills"
LIST, GET = "skills/list", "skills/get"
MARKDOWN = "text/markdown"
KEPT_MS = 3_600_000
"""How long a host may take an entry for current; the texts change with the version of this server only."""


class GetSkill(types.RequestParams):
    """What `skills/get` takes: the address of a SKILL.md."""

    uri: str


@dataclass(frozen=True, slots=True)
class Skill:
    """A runbook as a skill of one file."""

    prompt: PromptFile

    @property
    def uri(self) -> str:
        """Return the address of its SKILL.md."""
        return f"skill://{self.prompt.name}/SKILL.md"

    @property
    def head(self) -> dict[str, str]:
        """Return its front matter."""
        needed = f"Needs the tools of ink-infra-mcp: {', '.join(self.prompt.tools)}"
        return {"name": self.prompt.name, "description": self.prompt.description, "compatibility": needed}

    @property
    def text(self) -> str:
        """Return its SKILL.md: the front matter, what the braces in the text stand for, and the text."""
        # what JSON puts between quotes, YAML reads as the same text
        head = [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in self.head.items()]
        return "\n".join(["---", *head, "---", "", f"# {self.prompt.title}", "", *self._open(), self.prompt.body, ""])

    @property
    def entry(self) -> dict[str, Any]:
        """Return what is listed of it: front matter, and each of its files with the digest of its bytes."""
        raw = self.text.encode()
        file = {"uri": self.uri, "digest": f"sha256:{hashlib.sha256(raw).hexdigest()}", "size": len(raw)}
        return {"uri": self.uri, "frontmatter": self.head, "resources": [file]}

    @property
    def resource(self) -> types.Resource:
        """Return it as a resource among others."""
        prompt = self.prompt
        return types.Resource(
            uri=self.uri, name=prompt.name, title=prompt.title, description=prompt.description, mime_type=MARKDOWN
        )

    def _open(self) -> list[str]:
        told = [
            f"- `{{{{{name}}}}}`: {argument.description}{'' if argument.required else ' (may be left out)'}"
            for name, argument in self.prompt.arguments.items()
        ]
        return ["What the text leaves open:", "", *told, ""] if told else []


@dataclass(frozen=True, slots=True)
class Skills:
    """Answers for the skills: as the extension's methods, and as resources."""

    prompts: Prompts

    def all(self) -> Mapping[str, Skill]:
        """Return the skills by address: every prompt is one."""
        skills = (Skill(prompt) for prompt in self.prompts.all().values())
        return {skill.uri: skill for skill in skills}

    def register(self, server: "Server[Any]") -> None:
        """Declare the extension, and answer its methods."""
        server.extensions[EXTENSION] = {}
        server.add_request_handler(LIST, types.PaginatedRequestParams, self.list)
        server.add_request_handler(GET, GetSkill, self.get)

    def resources(self) -> list[types.Resource]:
        """Return each SKILL.md as a resource."""
        return [skill.resource for skill in self.all().values()]

    def read(self, uri: str) -> types.ReadResourceResult | None:
        """Return a SKILL.md; None: it is none."""
        skill = self.all().get(uri)
        if skill is None:
            return None
        return types.ReadResourceResult(
            contents=[types.TextResourceContents(uri=uri, mime_type=MARKDOWN, text=skill.text)]
        )

    async def list(self, ctx: Context, _: types.PaginatedRequestParams) -> dict[str, Any]:
        """Return every skill's entry.

        Raises:
            MCPError: the client speaks a protocol that has no such method.
        """
        _known(ctx, LIST)
        return {"skills": [skill.entry for skill in self.all().values()], **_CACHED}

    async def get(self, ctx: Context, params: GetSkill) -> dict[str, Any]:
        """Return one skill's entry.

        Raises:
            MCPError: there is no such skill, or the client speaks a protocol that has no such method.
        """
        _known(ctx, GET)
        skill = self.all().get(params.uri)
        if skill is None:
            raise MCPError(code=types.INVALID_PARAMS, message=f"No skill is served at {params.uri[:200]}")
        return {"skill": skill.entry, **_CACHED}


def _known(ctx: Context, method: str) -> None:
    if ctx.protocol_version not in MODERN_PROTOCOL_VERSIONS:
        raise MCPError(code=types.METHOD_NOT_FOUND, message="Method not found", data=method)


_CACHED = {"ttlMs": KEPT_MS, "cacheScope": "public"}
