# make              ./trailfs
# make unit         the unit test programs, under build/$(or $(SAN),release)/
# make bench        what scripts/bench measures with, under build/release/
# make fuzz         the fuzzers (clang, libFuzzer), under build/fuzz/
# make demo|check   the two commands of README.md
# make format lint  what a reader should not have to think about
#
# SAN=asan, SAN=tsan: the same programs with sanitizers, in a build folder of their own. SAN=cov: with counts (scripts/coverage).

SAN      ?=
CC       ?= cc
PKGS      = fuse3 jansson zlib libdeflate libxxhash libcurl libcrypto expat
VERSION   = 0.1.0

ifeq ($(SAN),asan)
SANFLAGS  = -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
else ifeq ($(SAN),tsan)
SANFLAGS  = -fsanitize=thread -fno-omit-frame-pointer
else ifeq ($(SAN),fuzz)
CC        = clang
SANFLAGS  = -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
else ifeq ($(SAN),cov)
# Optimized code has no line for some of what was written, and other warnings. Threads count the same lines.
CFLAGS    = -Og -g -w
SANFLAGS  = --coverage -fprofile-abs-path -fprofile-update=atomic -DCOUNTS_FOLDER='"$(CURDIR)/build/cov"'
COUNTS    = tests/coverage/counts.c
LDFLAGS  += -Wl,--wrap=_exit,--wrap=landlock_enforce
else ifneq ($(SAN),)
$(error SAN is asan, tsan, cov or fuzz)
endif

OUT       = build/$(or $(SAN),release)
WARN      = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 -Werror
CFLAGS   ?= -O2 -g
ALLCFLAGS = -std=c17 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DTRAILFS_VERSION='"$(VERSION)"' \
            -I. $(WARN) $(shell pkg-config --cflags $(PKGS)) -pthread $(SANFLAGS) $(CFLAGS)
LIBS      = $(shell pkg-config --libs $(PKGS)) -pthread

SRCS      = $(wildcard fs/*.c fs/store/*.c s3/*.c render/*.c) $(COUNTS)
OBJS      = $(SRCS:%.c=$(OUT)/%.o)
# Everything but main() is what the tests and the fuzzers link.
CORE      = $(filter-out $(OUT)/fs/main.o,$(OBJS))
UNITS     = $(patsubst tests/unit/%.c,$(OUT)/%,$(wildcard tests/unit/test_*.c))
BENCHES   = $(patsubst tests/bench/%.c,$(OUT)/%,$(wildcard tests/bench/bench_*.c))
FUZZERS   = $(patsubst tests/fuzz/%.c,build/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
TRAILFS   = $(if $(SAN),$(OUT)/trailfs,trailfs)

all: $(TRAILFS)

$(TRAILFS): $(OBJS)
	@echo LD $@
	@$(CC) $(ALLCFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

$(OUT)/%.o: %.c Makefile
	@mkdir -p $(@D)
	@echo CC $@
	@$(CC) $(ALLCFLAGS) -MMD -MP -c -o $@ $<

$(OUT)/libcore.a: $(CORE)
	@rm -f $@
	@$(AR) rcs $@ $^

unit: $(UNITS)

$(OUT)/test_%: $(OUT)/tests/unit/test_%.o $(OUT)/libcore.a
	@echo LD $@
	@$(CC) $(ALLCFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS) -lcmocka

# Those that put faults in the way of the store: see tests/disk/disk.h. cache_*: for what it promises there.
DISK      = $(patsubst %.c,$(OUT)/%.o,$(wildcard tests/disk/*.c))
DISKCALLS = open64 openat64 close read pread64 preadv64 write pwrite64 pwritev64 ftruncate64 fsync fdatasync \
            sync_file_range renameat renameat2 unlinkat mkdir mkdirat fchmod utimensat fstat64 fstatat64 \
            fdopendir readdir64 realpath fcntl64 mmap64 madvise cache_write cache_remove

$(filter $(OUT)/test_disk_%,$(UNITS)): $(OUT)/%: $(OUT)/tests/unit/%.o $(DISK) $(OUT)/libcore.a
	@echo LD $@
	@$(CC) $(ALLCFLAGS) $(LDFLAGS) $(DISKCALLS:%=-Wl,--wrap=%) -o $@ $^ $(LIBS) -lcmocka

# Those that refuse allocations: see tests/memory/memory.h.
MEMORY    = $(OUT)/tests/memory/memory.o
MEMCALLS  = malloc calloc realloc reallocarray strdup strndup asprintf libdeflate_alloc_compressor \
            libdeflate_alloc_decompressor

$(filter $(OUT)/test_memory_%,$(UNITS)): $(OUT)/%: $(OUT)/tests/unit/%.o $(MEMORY) $(OUT)/libcore.a
	@echo LD $@
	@$(CC) $(ALLCFLAGS) $(LDFLAGS) $(MEMCALLS:%=-Wl,--wrap=%) -o $@ $^ $(LIBS) -lcmocka

bench: $(BENCHES)

$(OUT)/bench_%: $(OUT)/tests/bench/bench_%.o $(OUT)/libcore.a
	@echo LD $@
	@$(CC) $(ALLCFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

fuzz:
	$(MAKE) SAN=fuzz fuzzers

fuzzers: $(FUZZERS)

build/fuzz/fuzz_%: build/fuzz/tests/fuzz/fuzz_%.o build/fuzz/libcore.a
	@echo LD $@
	@$(CC) $(ALLCFLAGS) -fsanitize=fuzzer $(LDFLAGS) -o $@ $^ $(LIBS)

demo check:
	scripts/$@

format:
	clang-format -i $$(git ls-files '*.c' '*.h')

lint:
	scripts/lint

clean:
	rm -rf build trailfs

.PHONY: all unit bench fuzz fuzzers demo check format lint clean
.SECONDARY:
-include $(shell find build -name '*.d' 2>/dev/null)
