"""Migrations that must not reach a database that is in use, each broken in its own way: what they do, as data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Shows = Literal["fails", "hangs", "pending", "secret", "drops", "egress"]
"""How a rehearsal can tell that it is broken.

`fails`: `migrate` ends with an error. `hangs`: it does not end. `pending`: it ends well, and a migration is left.
`secret`: all is well, but what was encrypted can no longer be read with the APP_KEY, or is gone. `drops`: all is well,
but something is dropped or renamed that this release itself uses. `egress`: it ends well only with the network there.
"""


@dataclass(frozen=True, slots=True)
class Broken:
    """A migration: its name, its file's text, how it shows, and words of the error where there is one.

    `half`: it fails, and yet has changed the database, which a second try then finds changed.
    """

    name: str
    text: str
    shows: Shows = "fails"
    says: str = ""
    half: bool = False

    @property
    def file(self) -> str:
        """The migration's own name, after all of 4.3.11."""
        return f"2026_10_01_000000_{self.name}"


_FILE = """\
<?php

use Illuminate\\Database\\Migrations\\Migration;
use Illuminate\\Database\\Schema\\Blueprint;
use Illuminate\\Encryption\\Encrypter;
use Illuminate\\Support\\Facades\\Crypt;
use Illuminate\\Support\\Facades\\DB;
use Illuminate\\Support\\Facades\\Schema;

return new class extends Migration
{
%s    public function up(): void
    {
%s
    }
};
"""
_NO_TRANSACTION = "    public $withinTransaction = false;\n\n"
_EACH_KEY = (
    "DB::table('private_keys')->get()->each(fn ($key) => DB::table('private_keys')->where('id', $key->id)"
    "->update(['private_key' => %s]));"
)


def php(*lines: str, transaction: bool = True) -> str:
    """Return the file of a migration that does what the lines say, in one transaction or in none."""
    return _FILE % ("" if transaction else _NO_TRANSACTION, "\n".join(f"        {line}" for line in lines))


def sql(*statements: str, transaction: bool = True) -> str:
    """Return the file of a migration out of statements of SQL without double quotes."""
    return php(*(f'DB::statement("{statement}");' for statement in statements), transaction=transaction)


_ALL = (
    Broken("sql_syntax", sql("ALTER TABEL servers ADD color text"), says="SQLSTATE[42601]"),
    Broken("check_on_existing", sql("ALTER TABLE servers ADD CHECK (name <> 'localhost')"), says="SQLSTATE[23514]"),
    Broken("not_null_without_default", sql("ALTER TABLE servers ADD color text NOT NULL"), says="SQLSTATE[23502]"),
    Broken("unique_on_duplicates", sql("CREATE UNIQUE INDEX once ON migrations (batch)"), says="SQLSTATE[23505]"),
    Broken(
        "foreign_key_on_orphans",
        sql("ALTER TABLE server_settings ADD FOREIGN KEY (id) REFERENCES servers (id)"),
        says="SQLSTATE[23503]",
    ),
    Broken("missing_column", sql("UPDATE servers SET color = 'red'"), says="SQLSTATE[42703]"),
    Broken("unknown_table", sql("ALTER TABLE colors ADD shade text"), says="SQLSTATE[42P01]"),
    Broken("table_is_there", php("Schema::create('servers', fn (Blueprint $table) => $table->id());"), says="[42P07]"),
    Broken("division_by_zero", sql("UPDATE servers SET port = port / id"), says="SQLSTATE[22012]"),
    Broken("cast_of_text", sql("ALTER TABLE servers ALTER name TYPE integer USING name::integer"), says="[22P02]"),
    Broken("value_too_long", sql("ALTER TABLE servers ALTER name TYPE varchar(3)"), says="SQLSTATE[22001]"),
    Broken("missing_extension", sql("CREATE EXTENSION pg_color"), says="pg_color"),
    Broken("newer_postgres", sql("ALTER TABLE servers ADD color uuid DEFAULT uuidv7()"), says="SQLSTATE[42883]"),
    Broken("out_of_disk", sql("COPY servers TO '/dev/full'"), says="No space left on device"),
    Broken("out_of_memory", php("$all = []; while (true) { $all[] = str_repeat('x', 1 << 20); }"), says="memory size"),
    Broken("undefined_function", php("no_such_helper();"), says="no_such_helper"),
    Broken("undefined_class", php("App\\Models\\Color::query()->delete();"), says="App\\Models\\Color"),
    Broken("type_error", php("DB::table('servers')->get()->each(fn (array $server) => 1);"), says="array"),
    Broken("parse_error", "<?php\n\nreturn new class extends {\n", says="syntax error"),
    Broken("throws", php("throw new RuntimeException('two servers share a name');"), says="two servers share a name"),
    Broken("exits_with_three", php("exit(3);")),
    Broken(
        "half_done",
        php("DB::statement('ALTER TABLE servers ADD color text');", "no_such_helper();", transaction=False),
        says="no_such_helper",
        half=True,
    ),
    Broken("sleeps", sql("SELECT pg_sleep(86400)"), shows="hangs"),
    Broken(
        "waits_for_its_own_lock",
        php(
            "DB::statement('ALTER TABLE servers ADD color text');",
            "config(['database.connections.other' => config('database.connections.pgsql')]);",
            "DB::connection('other')->table('servers')->count();",
        ),
        shows="hangs",
    ),
    Broken("exits_with_zero", php("exit(0);"), shows="pending"),
    Broken("encrypts_twice", php(_EACH_KEY % "Crypt::encryptString($key->private_key)"), shows="secret"),
    Broken(
        "encrypts_with_another_key",
        php(
            "$other = new Encrypter(random_bytes(32), 'AES-256-CBC');",
            _EACH_KEY % "$other->encryptString(Crypt::decryptString($key->private_key))",
        ),
        shows="secret",
    ),
    Broken("empties_a_secret", php(_EACH_KEY % "''"), shows="secret"),
    Broken("deletes_rows", sql("DELETE FROM private_keys"), shows="secret"),
    Broken("drops_a_column", sql("ALTER TABLE instance_settings DROP is_auto_update_enabled"), shows="drops"),
    Broken("renames_a_table", php("Schema::rename('servers', 'machines');"), shows="drops"),
    Broken(
        "needs_the_network",
        php("if (! file_get_contents('http://{registry}/v2/')) {", "    throw new RuntimeException('no list');", "}"),
        shows="egress",
        says="{registry}",
    ),
)
BROKEN: Mapping[str, Broken] = {each.name: each for each in _ALL}
"""All of them by name; each gives its image by `catalogue.broken`."""
