# As Dockerfile, for a clone of Umbel, whose root is the context: first it makes the package that a project installs from the registry.
FROM node:22-slim AS umbel
WORKDIR /umbel
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY tsconfig*.json umbel.config.schema.json README.md CHANGELOG.md LICENSE ./
COPY scripts ./scripts
COPY src ./src
COPY examples/service ./examples/service
RUN npm pack --pack-destination /

FROM node:22-slim AS build
COPY --from=umbel /umbel-*.tgz /umbel.tgz
WORKDIR /app
COPY examples/service/package.json ./
RUN npm pkg set dependencies.umbel=file:/umbel.tgz && npm install --no-audit --no-fund
COPY examples/service/tsconfig*.json ./
COPY examples/service/src ./src
RUN npm run build && npm prune --omit=dev

FROM node:22-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
RUN mkdir /data && chown node:node /data
USER node
CMD ["node", "dist/main.js"]
