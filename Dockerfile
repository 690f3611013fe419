# The image of the proxy module: proxyd as PID 1, and behind each script in /opt/section the tool that does its job.
#
# Two stages, no BuildKit syntax: `docker build .` is all it takes. Both bases are arguments; the second may be any small
# image with a POSIX sh, chmod and mkdir.
ARG GO_IMAGE=golang:1.26-bookworm
ARG BASE_IMAGE=busybox:stable-musl

# ---- The binaries ---------------------------------------------------------------------------------------------------------
FROM ${GO_IMAGE} AS build
WORKDIR /src
# Each module is built as it stands alone, so that what the workspace holds beside the six binaries need not be here.
ENV CGO_ENABLED=0 GOWORK=off

# Libraries first: they change seldom, so this layer outlives most changes of the code.
COPY contract/go.mod contract/go.sum contract/
COPY proxyd/go.mod proxyd/go.sum proxyd/
COPY validator/go.mod validator/go.sum validator/
COPY deploy/go.mod deploy/go.sum deploy/
COPY logrotator/go.mod logrotator/go.sum logrotator/
COPY msghandler/go.mod msghandler/go.sum msghandler/
COPY sectionctl/go.mod sectionctl/go.sum sectionctl/
RUN set -e; \
    for module in contract proxyd validator deploy logrotator msghandler sectionctl; do \
        go -C "$module" mod download; \
    done

COPY contract contract
COPY proxyd proxyd
COPY validator validator
COPY deploy deploy
COPY logrotator logrotator
COPY msghandler msghandler
COPY sectionctl sectionctl
# The version of the binaries; `make image` gives what git says.
ARG VERSION=devel
# Without the paths of this place, symbols, HTTP/2 (the control socket speaks HTTP/1.1) and the generator of manual pages, none
# of which is used: together a quarter of the size. The tools, which run for a moment, do without inlined functions: a fourteenth.
RUN set -e; \
    for tool in proxyd validator deploy logrotator msghandler sectionctl; do \
        case $tool in proxyd) speed=;; *) speed=-gcflags=all=-l;; esac; \
        go -C "$tool" build -o /out/ -trimpath -buildvcs=false $speed \
            -tags nethttpomithttp2,urfave_cli_no_docs \
            -ldflags "-s -w -X section.internal/contract/command.version=$VERSION" .; \
    done

# ---- The image ------------------------------------------------------------------------------------------------------------
FROM ${BASE_IMAGE}

USER 0:0
# In the PATH, so that an operator types `docker exec CONTAINER sectionctl status`.
COPY --from=build /out/ /usr/local/bin/
COPY container/ /

# proxyd starts as root, binds the port, and becomes this user. The lines are appended by hand because a small base may have no
# adduser, and only once because a base may bring the user along.
#
# /run and /var/log are writable for every user, as a tmpfs mounted there is by default: so the container works under any uid,
# and proxyd makes its own directories in them at every start, whether they are the image's or the platform's.
#
# The modes of the scripts are set here because those of a checkout depend on the umask of whoever made it.
RUN set -e; \
    has() { while IFS=: read -r name rest; do [ "$name" != proxyd ] || return 0; done <"$1"; return 1; }; \
    : >>/etc/passwd; : >>/etc/group; \
    has /etc/group || echo 'proxyd:x:10080:' >>/etc/group; \
    has /etc/passwd || echo 'proxyd:x:10080:10080:proxyd:/nonexistent:/bin/false' >>/etc/passwd; \
    mkdir -p /run /var/log; \
    chmod 1777 /run /var/log; \
    chmod 0755 /opt /opt/section /opt/section/*.sh /opt/proxy_config; \
    chmod 0644 /opt/proxy_config/*

# Only what the contract names. The proxy speaks plain HTTP/1.1 here; TLS ends at the platform's edge.
EXPOSE 80
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=10s --retries=3 CMD ["/opt/section/sectionctl.sh", "check"]
ENTRYPOINT ["/usr/local/bin/proxyd"]

ARG VERSION=devel
ARG REVISION=
ARG CREATED=
LABEL org.opencontainers.image.title="proxyd" \
      org.opencontainers.image.description="A caching HTTP/1.1 reverse proxy for the section.io proxy contract" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.created="$CREATED"
