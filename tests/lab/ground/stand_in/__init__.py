"""A stand-in for Coolify 4.3.11: its files, its containers, its database and its commands, on Laravel's own code.

Nothing of it is there until a test asks. The layers are made of Debian's packages once and kept in the lab's cache;
the images go into the lab's registry once per lab. The first test that asks may wait a minute or two for that, so it
has `pytest.mark.timeout(600)`; a start of Coolify takes about 15 s. A test of the lab does::

    factory = bed.fresh("factory")
    images = catalogue.published(bed.lab.site)          # name -> Published, with `reference`, `digest`, `pinned`
    coolify = installed(factory)                        # the official image; from .env, as install.sh leaves it
    coolify = installed(factory, images["good-1"].pinned)           # a fork, named in docker-compose.custom.yml
    coolify = installed(factory, images["good-1"].pinned, file=PROD)  # a fork, named in Coolify's own file
    coolify.queue_deployment("dp0dp0dp0dp0dp0dp0dp0dp0")            # which the next start would mark as failed
    coolify.store_key("ky1ky1ky1ky1ky1ky1ky1ky1", "-----BEGIN ...")  # encrypted by Laravel with the APP_KEY of .env
    token = coolify.api_token()                         # for http://<factory>:8000/api/v1, as Sanctum checks it
    bad = catalogue.broken(bed.lab.site, migrations.BROKEN["division_by_zero"])    # good-1 with one migration more
    own = catalogue.broken(bed.lab.site, Broken("mine", migrations.sql("UPDATE servers SET port = 23"), "drops"))

`catalogue` tells which images there are, and `migrations` which broken ones. What the real one does and this does
not: jobs, pages, SSH to servers, sessions, nightly cleanup, updates of itself. Its commands (`migrate`,
`migrate:status`, `horizon:status`, `tinker --execute`, `start:migration`, `app:init`) are those of coollabsio/coolify
at 379abb2526 on Laravel 8.83 of Debian 12, and print as Laravel 12 does.
"""
