# Broker and operator for those who have Docker: two images of one build, with the binary, the libraries that it needs and
# nothing else, no shell.
#
#   docker build --target broker -t localhost/milena-broker:dev .
#   docker build --target operator -t localhost/milena-operator:dev .
FROM rust:1.95-bookworm AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends cmake \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release --locked -p milena-broker -p milena-operator \
 && tests/kubernetes/rootfs.sh /broker 10001 target/release/milena-broker=/usr/bin/milena-broker \
 && tests/kubernetes/rootfs.sh /operator 10001 target/release/milena-operator=/usr/bin/milena-operator \
 && mkdir /empty

FROM scratch AS operator
COPY --from=build /operator /
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
USER 10001:10001
EXPOSE 8080
ENTRYPOINT ["/usr/bin/milena-operator"]
CMD ["run"]

# The last one is what a build without --target gives.
FROM scratch AS broker
COPY --from=build /broker /
COPY --from=build --chown=10001:10001 /empty /var/lib/milena
WORKDIR /var/lib/milena
USER 10001:10001
EXPOSE 9092 9644
VOLUME /var/lib/milena
ENTRYPOINT ["/usr/bin/milena-broker"]
