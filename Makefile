# Every command of the project, one to five lines each. Not here: what CI installs and runs (.ci/run).
#
# Variables: SWIFT and CLANG_FORMAT name other tools; SWIFT_FLAGS is added to every build (CI passes
# warnings as errors). SwiftPM compiles C without optimisation in debug builds, hence -Xcc -O2 where
# kernels are tested; each way of building has a folder of its own, so that none disturbs another.

SWIFT ?= swift
CLANG_FORMAT ?= $(firstword $(foreach c,clang-format-14 clang-format,$(shell command -v $(c))))
SWIFT_FLAGS ?=
# What --version and reports name; Package.swift hands it to one file.
export MGPT_COMMIT := $(shell git describe --always --dirty --abbrev=10 2>/dev/null)
SWIFT_TEST = $(SWIFT) test $(SWIFT_FLAGS)
# The Swift runtime keeps memory on purpose (leaks), and tests ask for more than there is.
SANITIZE = ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 \
  TSAN_OPTIONS=allocator_may_return_null=1 $(SWIFT_TEST) -Xcc -O1
SWIFT_CODE = Package.swift Sources Tests
C_CODE = $(shell find Sources Tests tools -name '*.[ch]')

# One line of advice where the compiler is missing or older than 6.0; nothing otherwise.
ADVICE = sudo apt install -y swiftlang make (Raspberry Pi OS, Debian trixie); elsewhere see swift.org/install
VERSION = $(shell $(SWIFT) --version 2>&1 | sed -n 's/.*Swift version \([0-9.]*\).*/\1/p')
COMPILER = $(if $(shell command -v $(SWIFT)),$(COMPILER_AGE),$(error swift is missing: $(ADVICE)))
COMPILER_AGE = $(if $(filter-out 1.% 2.% 3.% 4.% 5.%,$(VERSION)),,$(error \
  swift is too old or does not run. Found version "$(VERSION)", expected 6.0 or later: $(ADVICE)))
FORMATTER = $(if $(findstring version 14.,$(shell $(CLANG_FORMAT) --version 2>&1)),,$(error \
  clang-format 14 is missing: sudo apt install -y clang-format-14, or pipx install clang-format==14.0.6))

.PHONY: help build test test-long test-arm arm-report cross sanitize bench demo golden format lint docs clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1#\2/p' Makefile | \
	  while IFS='#' read -r name text; do printf '%-15s %s\n' "$$name" "$$text"; done

build: ## the program, optimised: .build/release/mgpt
	$(COMPILER)$(SWIFT) build -c release --product mgpt $(SWIFT_FLAGS)

test: ## builds and runs all tests
	$(COMPILER)$(call once_more,$(SWIFT_TEST) -Xcc -O2 --scratch-path .build/test)

test-long: test ## the same, and the slow sweeps: all float32 inputs, each back end forced
	tools/test-kernels.sh --long

test-arm: ## all tests and the program for AArch64 under QEMU, as Raspberry Pi 5 and 4
	$(COMPILER)tools/arm/self-test.sh
	SWIFT="$(SWIFT)" tools/arm/test.sh

cross: ## the program for AArch64 Linux, made on x86-64: .build/cross/mgpt
	SWIFT="$(SWIFT)" tools/arm/cross.sh

arm-report: ## cycles of the hot loops on a Raspberry Pi 5, computed: tools/bench/cortex-a76.md
	tools/arm_report.py

sanitize: ## all tests with the address, undefined-behaviour and thread sanitizers
	$(COMPILER)$(SANITIZE) --sanitize address -Xcc -fsanitize=undefined \
	  -Xcc -fsanitize-trap=undefined --scratch-path .build/address
	$(SANITIZE) --sanitize thread --scratch-path .build/thread

bench: build ## time of each kernel and its share of the machine's measured peak
	.build/release/mgpt bench kernels

demo: build ## trains on data/names.txt and prints new names, within two minutes
	.build/release/mgpt demo

golden: ## writes Tests/Fixtures anew (needs PyTorch; say why in the commit message)
	python3 tools/golden.py

format: ## formats Swift and C in place
	$(COMPILER)$(SWIFT) format --in-place --parallel --recursive --configuration .swift-format $(SWIFT_CODE)
	$(FORMATTER)$(CLANG_FORMAT) -i $(C_CODE)

lint: ## checks formatting, layers, exported symbols, scripts
	$(COMPILER)$(SWIFT) format lint --strict --parallel --recursive --configuration .swift-format $(SWIFT_CODE)
	$(FORMATTER)$(CLANG_FORMAT) --dry-run --Werror $(C_CODE)
	python3 tools/check_style.py --self-test && python3 tools/check_style.py
	python3 tools/check_layers.py --self-test && python3 tools/check_layers.py
	python3 tools/arm_report.py --self-test
	python3 tools/download_self_test.py
	tools/check_exports.sh --self-test && tools/check_exports.sh

docs: ## the library's reference as web pages: .build/docs
	@mkdir -p .build/symbols
	$(COMPILER)$(SWIFT) build --target MicroGPT --scratch-path .build/documented \
	  -Xswiftc -emit-symbol-graph -Xswiftc -emit-symbol-graph-dir -Xswiftc .build/symbols
	docc convert --fallback-display-name MicroGPT --fallback-bundle-identifier mgpt.MicroGPT \
	  --additional-symbol-graph-dir .build/symbols --output-dir .build/docs

clean: ## removes everything that was built
	rm -rf .build

# Runs the command $(1) again if it ended with 139, and only then: `swift test` 6.0.3 itself crashes
# about once in fifty runs (SIGSEGV), before or after the tests.
once_more = $(1) || { test $$? -eq 139 && echo "swift test crashed; once more" && $(1); }
