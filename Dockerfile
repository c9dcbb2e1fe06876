# One image for all services, of amd64 or arm64. The first stage is of the machine that builds and compiles for
# TARGETARCH, so nothing of it is emulated; the image holds the program, the libraries that it needs, the scripts,
# certificates and time zones, and nothing else: no shell, no package manager.
#   docker buildx build --platform linux/amd64,linux/arm64 --build-arg VERSION=… --build-arg REVISION=… .
# `make image` builds and checks it without a container engine.
ARG BASE=docker.io/library/debian:bookworm-slim

# hadolint ignore=DL3006
FROM --platform=$BUILDPLATFORM ${BASE} AS build
ARG TARGETARCH
WORKDIR /src
# Versions are Debian 12's of the day, security updates included; the SBOM names them. Another value of UPDATED makes
# a builder that keeps layers look for newer ones.
ARG UPDATED=
# hadolint ignore=DL3008
RUN case "$TARGETARCH" in amd64 | arm64) ;; *) echo "no image for \"$TARGETARCH\": amd64 or arm64" >&2; exit 1 ;; esac \
  && dpkg --add-architecture "$TARGETARCH" && apt-get -q update \
  && if [ "$TARGETARCH" = "$(dpkg --print-architecture)" ]; then compiler=gcc; \
     elif [ "$TARGETARCH" = arm64 ]; then compiler=gcc-aarch64-linux-gnu; \
     else compiler=gcc-x86-64-linux-gnu; fi \
  && DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Acquire::Retries=3 install --no-install-recommends \
     "$compiler" make pkgconf ca-certificates tzdata "libc6-dev:$TARGETARCH" "libmicrohttpd-dev:$TARGETARCH" \
     "libcurl4-openssl-dev:$TARGETARCH" "libpq-dev:$TARGETARCH" "libluajit-5.1-dev:$TARGETARCH" "lua-cjson-dev:$TARGETARCH" \
     "lua-lpeg-dev:$TARGETARCH" "libuv1-dev:$TARGETARCH" "libssl-dev:$TARGETARCH" "zlib1g-dev:$TARGETARCH" "libgcc-s1:$TARGETARCH" \
  && rm -rf /var/lib/apt/lists/*
# Another value of AGAIN makes all below anew.
ARG AGAIN=
COPY Makefile ./
COPY host host
ARG VERSION=unknown
COPY ci/image-root ci/
RUN ci/image-root program "$TARGETARCH" "$VERSION"
COPY LICENSE ./
COPY scripts scripts
COPY web web
RUN ci/image-root collect "$TARGETARCH"

FROM scratch
# What changes rarely is a layer of its own.
COPY --from=build /image/system /
COPY --from=build /image/program /
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="todo-chatbot" \
  org.opencontainers.image.description="A todo list that you talk to, or call over HTTP: all services" \
  org.opencontainers.image.licenses="Apache-2.0" \
  org.opencontainers.image.version="$VERSION" \
  org.opencontainers.image.revision="$REVISION"
ENV SCRIPTS_DIR=/usr/share/todo-chatbot/scripts WEB_DIR=/usr/share/todo-chatbot/web STATE_DIR=/var/lib/todo-chatbot
USER 65532:65532
EXPOSE 8000 8001 8002 8003
ENTRYPOINT ["/usr/bin/todo-host"]
CMD ["--help"]
