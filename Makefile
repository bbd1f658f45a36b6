# starproxy: what a checkout can do.
#
#   make run     build it and start it (ARGS="--port 9090" is passed on)
#   make ui      CodeMirror for the editors of the page, from npm; the next build has it
#   make test    everything: vet, format, staticcheck, go test -race with the
#                interop suite against the Python packages
#   make bench   the tables of docs/performance.md: beside bare net/http and mitmdump,
#                and beside another build with STARPROXY_BENCH_BASE=PROGRAM
#   make plots   the pictures of docs/performance.md, from its table
#   make man     the manual pages, in dist/man/man1 (look at one: man -l dist/man/man1/j-mock.1)
#   make wheel   the wheel of driver/python, in dist (needs pip, and hatchling from PyPI)
#   make image   the container image (PODMAN=docker or "buildah" does it, too)
#   make soak    long runs: bounded memory under load
#   make screenshots  the pictures of README and docs (needs chromium)
#
# "go build ." and "go test ./..." need Go alone; the targets here set up the
# Python environments they use, once.

GO          ?= go
PYTHON      ?= python3
ARGS        ?=
STATICCHECK ?= honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOLANGCI    ?= github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
interop      = driver/cli/interop

# What "starproxy version" tells. Without git, or outside of a checkout, the
# build tells what it knows.
DIST        ?= dist
PODMAN      ?= podman
VERSION     ?= $(shell git describe --tags --dirty 2>/dev/null)
COMMIT      ?= $(shell git rev-parse HEAD 2>/dev/null)
DATE        ?= $(shell git log -1 --format=%cI 2>/dev/null)
stamp        = -X starproxy/driver/cli.stampVersion=$(VERSION) -X starproxy/driver/cli.stampCommit=$(COMMIT) -X starproxy/driver/cli.stampDate=$(DATE)

export PYTHON

.PHONY: all build run ui ui-if-npm test check vet fmt staticcheck lint systems venv venv-exporter venv-mitmproxy venv-mitmproxy-8 clients bench plots soak screenshots man wheel image clean

all: build

build:
	$(GO) build -ldflags "$(stamp)" -o starproxy .

run: build
	exec ./starproxy run $(ARGS)

# Without it the editors of the page are plain text fields.
ui:
	cd driver/web/codemirror && npm ci --silent --no-audit --no-fund && npm run --silent build

ui-if-npm:
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory ui || echo "npm: the page is tested without CodeMirror"; fi

test: check ui-if-npm venv venv-exporter venv-mitmproxy venv-mitmproxy-8 clients
	STARPROXY_INTEROP=1 $(GO) test -race -timeout 25m ./...

check: vet fmt staticcheck lint systems

vet:
	$(GO) vet ./...

fmt:
	@files=$$(gofmt -l $$($(GO) list -f '{{.Dir}}' ./...)); \
	if [ -n "$$files" ]; then echo "gofmt -w is needed for:"; echo "$$files"; exit 1; fi

# Skipped where it cannot be fetched or does not build with this Go.
staticcheck:
	@if $(GO) run $(STATICCHECK) -version >/dev/null 2>&1; then \
		$(GO) run $(STATICCHECK) ./...; \
	else \
		echo "staticcheck: cannot be installed here, skipped"; \
	fi

# The rules of .golangci.yml. Skipped where golangci-lint cannot be fetched or does
# not build with this Go.
lint:
	@if $(GO) run $(GOLANGCI) version >/dev/null 2>&1; then \
		$(GO) run $(GOLANGCI) run ./...; \
	else \
		echo "golangci-lint: cannot be installed here, skipped"; \
	fi

# The files of the other systems build and pass vet.
systems:
	@for os in darwin windows; do \
		echo "GOOS=$$os go build, go vet"; \
		CGO_ENABLED=0 GOOS=$$os $(GO) build -o /dev/null . && CGO_ENABLED=0 GOOS=$$os $(GO) vet ./... || exit 1; \
	done

venv:
	@$(interop)/venv.sh .venv $(interop)/requirements.txt $(interop)/requirements-driver.txt

venv-exporter:
	@$(interop)/venv.sh .venv-exporter $(interop)/requirements-exporter.txt

venv-mitmproxy:
	@$(interop)/venv.sh .venv-mitmproxy $(interop)/requirements-mitmproxy.txt

venv-mitmproxy-8:
	@$(interop)/venv.sh .venv-mitmproxy-8 $(interop)/requirements-mitmproxy-8.txt

# The real clients of the interop suite. Those of a language whose tools are not
# here, or can't be fetched, are left out, and their tests skip.
clients:
	@$(interop)/venv.sh .venv-clients $(interop)/requirements-clients.txt
	@mkdir -p .clients/node .clients/rust
	@cp $(interop)/clients/node/* .clients/node/
	@if command -v npm >/dev/null; then \
		npm install --prefix .clients/node --silent --no-audit --no-fund --no-package-lock || echo "npm: the Node clients are left out"; \
	fi
	@cp -r $(interop)/clients/rust/. .clients/rust/
	@if command -v cargo >/dev/null; then \
		cargo build --quiet --manifest-path .clients/rust/Cargo.toml --target-dir .clients/rust || echo "cargo: the Rust clients are left out"; \
	fi

bench: venv-mitmproxy
	STARPROXY_BENCH=1 $(GO) test -count=1 -timeout 60m -run '^TestBench' -v ./driver/cli/bench ./driver/flow ./driver/exporter/controller ./driver/cli/interop

plots:
	$(GO) run ./driver/cli/bench/plot docs/performance.md docs/plots

soak:
	STARPROXY_SOAK=1 $(GO) test -count=1 -timeout 60m -run '^TestSoak' -v ./driver/cli/interop ./driver/exporter/controller

screenshots:
	STARPROXY_SCREENSHOTS=$(CURDIR)/driver/web/screenshots $(GO) test -count=1 -run '^TestScreenshots$$' ./driver/cli/interop

man:
	$(GO) run -ldflags "$(stamp)" . __man $(DIST)/man/man1

# pip makes the environment that the build asks for; PIP_ARGS adds to it, such as
# --no-build-isolation.
wheel:
	$(PYTHON) -m pip --disable-pip-version-check wheel --quiet --no-deps $(PIP_ARGS) --wheel-dir $(DIST) ./driver/python

image:
	$(PODMAN) build -t starproxy --build-arg VERSION=$(VERSION) --build-arg COMMIT=$(COMMIT) --build-arg DATE=$(DATE) -f Containerfile .

clean:
	rm -rf starproxy j dist driver/web/codemirror/node_modules driver/web/codemirror/dist/codemirror.js .venv .venv-exporter .venv-mitmproxy .venv-mitmproxy-8 .venv-clients .clients
