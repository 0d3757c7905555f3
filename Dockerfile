# One image for every part: `insula run knx`, `insula run recorder`, ... Settings by INSULA_... in the environment.
FROM debian:bookworm-slim AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3 python3-venv \
 && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv /opt/insula
COPY constraints.txt /build/
COPY pyproject.toml README.md LICENSE /build/
COPY src /build/src
RUN /opt/insula/bin/pip install --no-cache-dir --disable-pip-version-check -c /build/constraints.txt /build \
 && /opt/insula/bin/python -m compileall -q /opt/insula/lib

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --user-group --home-dir /var/lib/insula insula \
 && install -d -o insula -g insula /var/lib/insula /run/insula
COPY --from=build /opt/insula /opt/insula
ENV PATH=/opt/insula/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    INSULA_DATA=/var/lib/insula \
    INSULA_HEARTBEAT=/run/insula/heartbeat \
    INSULA_LOG_FORMAT=json \
    INSULA_API_HOST=0.0.0.0
WORKDIR /var/lib/insula
USER insula
VOLUME /var/lib/insula
EXPOSE 8080
STOPSIGNAL SIGTERM
# Whether it lives; `insula health` without --alive also says whether it still waits for Kafka or the database.
HEALTHCHECK --interval=30s --timeout=10s --start-period=20s --retries=3 CMD ["insula", "health", "--alive"]
CMD ["insula", "run"]
