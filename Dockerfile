# One node of a Packhorse cluster, or the only one. docs/deployment.md says how it is run.
#
# The same Debian as the tests run on. NODE_VERSION is the one that script/bootstrap pins.
ARG NODE_VERSION=24.21.0

FROM node:${NODE_VERSION}-bookworm-slim AS build
WORKDIR /app
# What bootstrap reads comes first: a change of the sources then builds no addon again.
COPY package.json package-lock.json .npmrc prisma.config.ts ./
COPY prisma ./prisma
COPY script ./script
RUN script/bootstrap
COPY LICENSE ./
COPY apps ./apps
COPY libs ./libs
RUN node script/runtime-tree.ts /runtime

FROM debian:bookworm-slim
# git does what libgit2 does not; nodegit links against Kerberos; tini ends and reaps what git leaves behind.
RUN apt-get update \
  && apt-get install -y --no-install-recommends ca-certificates git libgssapi-krb5-2 libstdc++6 tini \
  && rm -rf /var/lib/apt/lists/* \
  && useradd --uid 1000 --create-home --shell /usr/sbin/nologin packhorse \
  && install -d -o packhorse -g packhorse -m 0711 /data
COPY --from=build /usr/local/bin/node /usr/local/bin/node
COPY --from=build /runtime /app
# Compiling once here saves every start half of its time.
RUN ln -s /app/apps/cli/packhorse.cjs /usr/local/bin/packhorse && packhorse serve --help >/dev/null

USER packhorse
ENV NODE_ENV=production \
  PACKHORSE_DATA_DIR=/data \
  PACKHORSE_HOST=0.0.0.0 \
  PACKHORSE_HTTP_PORT=3000 \
  PACKHORSE_SSH_PORT=2222
VOLUME /data
EXPOSE 3000 2222
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
  CMD ["node", "--eval", "fetch(`http://localhost:${process.env.PACKHORSE_HTTP_PORT}/healthz`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["tini", "--", "packhorse"]
CMD ["serve"]
