"""The base of every piece of the pretend world."""

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """A mutable value of the world; a field that nobody declared is an error."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True)
