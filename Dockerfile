# The server as an image. Node 24 comes with the project (npm brings it along), so the base only has to bring npm.
FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
COPY scripts ./scripts
COPY prisma ./prisma
COPY prisma.config.ts codegen.ts tsconfig.json schema.graphql ./
COPY src ./src
COPY web ./web
# The page takes the example clients with it.
COPY examples ./examples
# Clients of both engines and the page are made here; what only makes them is not in the image that runs.
RUN npm ci && npm prune --omit=dev --ignore-scripts && npm cache clean --force && rm -rf node_modules/.cache

FROM node:24-bookworm-slim
ENV HOST=0.0.0.0 PORT=4000 DATA_DIR=/data
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/prisma/migrations ./prisma/migrations
COPY --from=build /app/scripts ./scripts
COPY --from=build /app/src ./src
COPY --from=build /app/web/dist ./web/dist
RUN mkdir /data node_modules/.cache && chown node:node /data node_modules/.cache
USER node
# What Node compiles is kept for each user: a container finds it, also where it may not write.
RUN node_modules/.bin/node scripts/first-start.ts
VOLUME /data
EXPOSE 4000
STOPSIGNAL SIGTERM
# A server that lives answers here, also while its database is away. /ready says whether to send it traffic.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["node_modules/.bin/node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/health`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node_modules/.bin/node", "--max-semi-space-size=16", "src/start.js"]
