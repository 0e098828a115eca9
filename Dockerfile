# The server in an image: docs/clients/docker.md says how it is run. Nothing of a fleet and no secret is in it.
ARG BASE=python:3.13-slim-trixie

FROM ${BASE} AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY prompts prompts
COPY tools tools
COPY src src
RUN python -m pip wheel --no-cache-dir --no-deps --wheel-dir /wheel . \
  && python -m venv /opt/ink \
  && /opt/ink/bin/python -m pip install --no-cache-dir --constraint constraints.txt /wheel/ink_infra_mcp-*.whl \
  && /opt/ink/bin/python -m pip uninstall --yes pip

FROM ${BASE}
LABEL org.opencontainers.image.title="ink-infra-mcp" \
      org.opencontainers.image.description="MCP server that runs the Ink hosting platform" \
      org.opencontainers.image.licenses="MIT"
# a named volume gets owner and mode of the folder that it covers; the state folder is refused where others can enter it,
# and the other holds no secret: --user may name somebody else
RUN useradd --system --user-group --uid 10001 --home-dir /home/ink --create-home --shell /usr/sbin/nologin ink \
  && install --directory --owner ink --group ink --mode 0755 /config \
  && install --directory --owner ink --group ink --mode 0700 /state
COPY --from=build /opt/ink /opt/ink
# the SSH library asks for a name even where --user gives an id that has none
ENV PATH=/opt/ink/bin:${PATH} \
    LOGNAME=ink \
    INK_INFRA_CONFIG=/config/fleet.toml \
    INK_INFRA_STATE=/state \
    PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /home/ink
VOLUME ["/config", "/state"]
ENTRYPOINT ["ink-infra-mcp"]
CMD ["serve"]
