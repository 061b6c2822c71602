# The agent's image, for amd64 and arm64:
#
#   docker buildx build --platform linux/amd64,linux/arm64 --tag REGISTRY/kindling:VERSION --push .
#
# The first stage runs on the builder's own machine and makes everything for the target: no emulation.
# Another base: --build-arg BASE=..., any with the same minor version of Python in both stages.
ARG BASE=docker.io/library/python:3.12.8-slim-bookworm

FROM --platform=$BUILDPLATFORM ${BASE} AS build
ARG TARGETARCH=amd64
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends make >/dev/null
WORKDIR /src
# what changes seldom comes first: the layers are kept
COPY pyproject.toml Makefile README.md CHANGELOG.md LICENSE ./
COPY tools tools
COPY bpf bpf
COPY native native
COPY src src
RUN case "$TARGETARCH" in amd64) machine=x86_64 ;; arm64) machine=aarch64 ;; *) machine=$TARGETARCH ;; esac \
    && make wheel MACHINE="$machine" \
    && .venv/bin/python -m pip install --no-cache-dir --root-user-action=ignore --target /site \
        --constraint tools/setup/constraints.txt --only-binary=:all: --implementation cp \
        --platform "manylinux_2_28_$machine" --platform "manylinux_2_17_$machine" --platform "manylinux2014_$machine" \
        "$(ls /src/dist/*.whl)[otlp]" \
    && rm -rf /site/bin /site/numpy/*/tests /site/numpy/tests /site/numpy/f2py

FROM ${BASE}
LABEL org.opencontainers.image.title="kindling" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /site /opt/kindling
COPY --chmod=755 deploy/kindling /usr/local/bin/kindling
ENV PYTHONPATH=/opt/kindling PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
EXPOSE 9500
# Root, without which the files of bpffs and of the container runtime are closed; which rights it has, whoever starts it
# says. `replay` and the commands that ask an agent run as anybody: --user 65534.
USER 0:0
ENTRYPOINT ["kindling"]
CMD ["agent", "--quiet"]
