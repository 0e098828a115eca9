"""A search over tools as hosts do it that show a model names first: BM25 over name, hint and description."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping

from ink_infra_mcp.server.contracts import Contract

K1, B = 1.2, 0.75
"""As Lucene has them."""
_WORD = re.compile(r"[a-z]+|[0-9]+")
_ENDS = ("ments", "ment", "ing", "ed", "es", "s")
_COMMON = re.compile(
    r"an?|and|any|anyone|anything|are|as|at|about|be|by|can|could|do|does|everything|for|from|has|have|how|in|is|its?|me|my"
    r"|no|nobody|not|nothing|off?|on|or|our|should|so|something|that|the|their|them|then|there|this|to|up|us|was|we|what"
    r"|when|where|which|who|will|with|would|your?"
)


def words(text: str) -> list[str]:
    """Return the words that are searched for: in lower case, without common ones, without the commonest endings."""
    return [_stem(word) for word in _WORD.findall(text.lower()) if len(word) > 1 and not _COMMON.fullmatch(word)]


def _stem(word: str) -> str:
    end = next((end for end in _ENDS if word.endswith(end) and len(word) - len(end) >= 3), "")
    stem = word.removesuffix(end)
    return stem.rstrip("e") if len(stem) > 3 else stem


def document(contract: Contract) -> list[str]:
    """Return the words by which a tool is found."""
    hint = contract["_meta"].get("anthropic/searchHint", "")
    return words(f"{contract['name'].replace('_', ' ')} {hint} {contract['description']}")


class Index:
    """Tools, to be found by what somebody says."""

    def __init__(self, contracts: Iterable[Contract]) -> None:
        self._counts: Mapping[str, Counter[str]] = {c["name"]: Counter(document(c)) for c in contracts}
        self._mean = sum(count.total() for count in self._counts.values()) / len(self._counts)
        self._having = Counter(word for count in self._counts.values() for word in count)

    def ranked(self, said: str) -> list[str]:
        """Return the names of the tools that have anything of what was said, the best first."""
        scores = {name: self._score({*words(said)}, count) for name, count in self._counts.items()}
        return sorted((name for name in scores if scores[name] > 0), key=lambda name: (-scores[name], name))

    def _score(self, said: Iterable[str], count: Counter[str]) -> float:
        norm = K1 * (1 - B + B * count.total() / self._mean)
        return sum(self._rarity(word) * count[word] * (K1 + 1) / (count[word] + norm) for word in said)

    def _rarity(self, word: str) -> float:
        having = self._having[word]
        return math.log(1 + (len(self._counts) - having + 0.5) / (having + 0.5))
