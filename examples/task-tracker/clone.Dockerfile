# As Dockerfile, for a clone of Umbel, whose root is the context: first it makes the package that a project installs from the registry.
FROM node:22-slim AS umbel
WORKDIR /umbel
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY tsconfig*.json umbel.config.schema.json README.md CHANGELOG.md LICENSE ./
COPY scripts ./scripts
COPY src ./src
RUN npm pack --pack-destination /

FROM node:22-slim
ENV NODE_ENV=production
COPY --from=umbel /umbel-*.tgz /umbel.tgz
WORKDIR /app
COPY examples/task-tracker/package.json ./
RUN npm pkg set dependencies.umbel=file:/umbel.tgz && npm install --no-audit --no-fund
COPY examples/task-tracker/server ./server
COPY examples/task-tracker/shared ./shared
COPY examples/task-tracker/web ./web
COPY examples/task-tracker/dev ./dev
COPY examples/task-tracker/tsconfig.json ./
RUN mkdir /data && chown node:node /data
USER node
CMD ["node", "--import", "tsx", "server/main.ts"]
