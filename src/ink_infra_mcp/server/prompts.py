"""Prompts: Markdown files with a TOML head, shipped in the wheel; guardrails.md is also the server's instructions."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from mcp import MCPError, types
from pydantic import BaseModel, ConfigDict

from ink_infra_mcp.server.asking import Context

MAX_INSTRUCTIONS = 2048
NOT_CONFIGURED = (
    "Nothing is configured yet, and every tool says so. A person runs `ink-infra-mcp init` in a terminal, or starts "
    "this server with --sandbox, a pretend world."
)
_HEAD = re.compile(r"\A\+\+\+\n(?P<head>.*?)\n\+\+\+\n(?P<body>.*)\Z", re.DOTALL)
_SLOT = re.compile(r"\{\{(\w+)\}\}")


class PromptArgument(BaseModel):
    """An argument that a prompt's text uses as {{name}}."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    description: str
    required: bool = True


class PromptFile(BaseModel):
    """One prompt. `tools` are the tools its text relies on; a test holds them against the catalogue."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str
    description: str
    tools: tuple[str, ...] = ()
    arguments: dict[str, PromptArgument] = {}
    body: str

    @property
    def slots(self) -> frozenset[str]:
        """Return the argument names that the text uses."""
        return frozenset(_SLOT.findall(self.body))

    def missing(self, values: Mapping[str, str]) -> list[str]:
        """Return the names of the required arguments that `values` lacks, or has as empty texts."""
        return [name for name, argument in self.arguments.items() if argument.required and not values.get(name)]

    def filled(self, values: Mapping[str, str]) -> str:
        """Return the text with the arguments put in, each as one short line."""
        return _SLOT.sub(lambda match: " ".join(values.get(match[1], "").split())[:200], self.body)


def folder() -> Traversable:
    """Return where the prompts lie: in the installed package, else in the repository beside the source."""
    packaged = resources.files("ink_infra_mcp") / "_prompts"
    return packaged if packaged.is_dir() else Path(__file__).parents[3] / "prompts"


def parse(text: str) -> PromptFile:
    """Return the prompt in `text`.

    Raises:
        ValueError: no TOML head, an unknown key, or a slot without an argument.
    """
    match = _HEAD.match(text)
    if match is None:
        raise ValueError("a prompt begins with a TOML head between +++ lines")
    prompt = PromptFile.model_validate({**tomllib.loads(match["head"]), "body": match["body"].strip()})
    if prompt.slots != frozenset(prompt.arguments):
        raise ValueError(f"prompt {prompt.name}: text and arguments differ: {sorted(prompt.slots)}")
    return prompt


def load() -> dict[str, PromptFile]:
    """Return all prompts by name."""
    files = sorted((f for f in folder().iterdir() if f.name.endswith(".md")), key=lambda f: f.name)
    prompts = (parse(file.read_text(encoding="utf-8")) for file in files)
    return {prompt.name: prompt for prompt in prompts}


def instructions(*, configured: bool = True) -> str:
    """Return the server's instructions: the text of guardrails.md, after what a client must know before anything."""
    body = parse((folder() / "guardrails.md").read_text(encoding="utf-8")).body
    return body if configured else f"{NOT_CONFIGURED}\n\n{body}"


@dataclass(slots=True)
class Prompts:
    """Answers prompts/list and prompts/get; the files are read at the first request."""

    _loaded: dict[str, PromptFile] | None = None

    def all(self) -> dict[str, PromptFile]:
        """Return the prompts by name."""
        if self._loaded is None:
            self._loaded = load()
        return self._loaded

    async def list(self, _: Context, __: types.PaginatedRequestParams | None) -> types.ListPromptsResult:
        """Return every prompt with its arguments."""
        return types.ListPromptsResult(prompts=[_listed(prompt) for prompt in self.all().values()])

    async def get(self, _: Context, params: types.GetPromptRequestParams) -> types.GetPromptResult:
        """Return a prompt's text with its arguments put in.

        Raises:
            MCPError: no such prompt, or a required argument is missing.
        """
        prompt = self.all().get(params.name)
        if prompt is None:
            raise MCPError(code=types.INVALID_PARAMS, message=f"Unknown prompt: {params.name[:80]}")
        values = params.arguments or {}
        if missing := prompt.missing(values):
            raise MCPError(code=types.INVALID_PARAMS, message=f"Missing arguments: {', '.join(missing)}")
        message = types.PromptMessage(role="user", content=types.TextContent(text=prompt.filled(values)))
        return types.GetPromptResult(description=prompt.description, messages=[message])


def _listed(prompt: PromptFile) -> types.Prompt:
    return types.Prompt(
        name=prompt.name,
        title=prompt.title,
        description=prompt.description,
        arguments=[
            types.PromptArgument(name=name, description=argument.description, required=argument.required)
            for name, argument in prompt.arguments.items()
        ],
    )
