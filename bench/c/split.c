/*
 * The split of src/mmu/shadow on the same memory layout, in C: what the TypeScript engine is compared with.
 *
 *   split LAYOUT... hot|cold LEVEL PAGES
 *
 * LAYOUT are the 17 numbers of `layoutArguments` in bench/c-split.ts. One line "n" on standard input asks for n batches; one line
 * "nanoseconds splits" answers. A batch splits every huge page of the slot, each through its rmap head: availability,
 * lock contention, caches, hash lookup, header, hash and active list, 512 entries with their rmap heads, exchange of
 * the huge entry, removal of its rmap entry, link, parent list.
 *
 * hot: the pages are few and stay in the cache; between batches the words that a batch changes are copied back from
 * an image, outside the timed part. cold: one batch on memory that nobody has touched.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum { TABLE_BITS = 9, ENTRIES = 1 << TABLE_BITS, HEADER_WORDS = 16, DESC_WORDS = 16, CACHE_OBJECTS = 40 };
enum { SPLIT_DESC_MIN = ENTRIES + 1, SPLIT_DESC_CAPACITY = ENTRIES + 1 + CACHE_OBJECTS, MIN_FREE_PAGES = 5 };
/* Offsets in a header; offsets in the VM-wide words; words of a pool: as in shadow-page.ts, kvm.ts, pool.ts. */
enum { GFN, ROLE, FLAGS, ROOT_COUNT, VALID_GEN, PARENT_PTES, HASH_NEXT, LINK_PREV, LINK_NEXT, TABLE, SHADOW_INFO, FLOOD };
enum { MMU_CNTS = 0, WAIT_LOCK = 1, N_USED = 5, N_MAX = 6, KVM_VALID_GEN = 7, ACTIVE_HEAD = 9, ACTIVE_TAIL = 10, PAGES = 11 };
enum { POOL_HEADERS, POOL_TABLES, POOL_DESCS, HIGH = 0, POOL_WORDS = 4 };
enum { W = 0x2, PS = 0x80, PRESENT = 0x800, ACTIVE = 4, DIRECT = 1 << 7, GUEST_MODE = 1 << 17, INVALID = 1 << 11 };

static int32_t *w;
static long words, kvm, pools, hash_base, headers, table_owner, tables, rmap[4], cache_desc, cache_header, cache_table;
static long base_gfn, base_pfn, table_pfn_base;
static int hash_bits;
static long splits;

static inline int32_t *header(int32_t sp) { return w + headers + (long)sp * HEADER_WORDS; }
static inline int32_t sptep_to_sp(int32_t sptep) { return w[table_owner + ((sptep - tables / 2) >> TABLE_BITS)]; }
static inline long hash_bucket(int32_t gfn) {
  return hash_base + (((uint32_t)(gfn ^ ((uint32_t)gfn >> 15)) * 0x61c88647u) >> (32 - hash_bits));
}
static inline int32_t rmap_head(int32_t gfn, int level) {
  int shift = (level - 1) * TABLE_BITS;
  return (int32_t)(rmap[level] + ((gfn >> shift) - (base_gfn >> shift)));
}

static int32_t pool_alloc(int kind) { return ++w[pools + kind * POOL_WORDS + HIGH]; }
static void topup(long cache, int kind, int min, int capacity) {
  if (w[cache] >= min) return;
  while (w[cache] < capacity) {
    int32_t object = pool_alloc(kind);
    w[cache + ++w[cache]] = object;
  }
}
static void topup_all(void) {
  topup(cache_desc, POOL_DESCS, SPLIT_DESC_MIN, SPLIT_DESC_CAPACITY);
  topup(cache_header, POOL_HEADERS, 1, CACHE_OBJECTS);
  topup(cache_table, POOL_TABLES, 1, CACHE_OBJECTS);
}
static inline int32_t pop(long cache) {
  int32_t count = w[cache]--;
  return w[cache + count];
}

static void init_page(int32_t sp, int32_t table, int32_t gfn, int32_t role) {
  int32_t *h = header(sp);
  w[table_owner + table] = sp;
  h[GFN] = gfn;
  h[ROLE] = role;
  h[FLAGS] = ACTIVE;
  h[ROOT_COUNT] = 0;
  h[VALID_GEN] = w[kvm + KVM_VALID_GEN];
  h[PARENT_PTES] = 0;
  h[TABLE] = table;
  h[SHADOW_INFO] = 0;
  h[FLOOD] = 0;
  long bucket = hash_bucket(gfn);
  h[HASH_NEXT] = w[bucket];
  w[bucket] = sp;
  int32_t head = w[kvm + ACTIVE_HEAD];
  h[LINK_PREV] = 0;
  h[LINK_NEXT] = head;
  if (head != 0) header(head)[LINK_PREV] = sp;
  else w[kvm + ACTIVE_TAIL] = sp;
  w[kvm + ACTIVE_HEAD] = sp;
  w[kvm + N_USED]++;
}

static int32_t find_page(int32_t gfn, int32_t role) {
  for (int32_t sp = w[hash_bucket(gfn)]; sp != 0; sp = header(sp)[HASH_NEXT]) {
    int32_t *h = header(sp);
    if (h[GFN] == gfn && (h[ROLE] & INVALID) == 0 && h[VALID_GEN] == w[kvm + KVM_VALID_GEN] && h[ROLE] == role) return sp;
  }
  return 0;
}

/* pte_list_add() and pte_list_remove(), as far as they occur here. */
static void pte_list_add(int32_t sptep, long head) {
  if (w[head] != 0) abort(); /* no aliases in this benchmark */
  w[head] = sptep << 1;
}
static void pte_list_remove(int32_t sptep, long head) {
  if (w[head] != sptep << 1) abort();
  w[head] = 0;
}

/* shadow_mmu_try_split_huge_page(): 0, or 1 after the lock was dropped for a topup. */
static int try_split(int32_t sptep) {
  int32_t parent = sptep_to_sp(sptep);
  int32_t *p = header(parent);
  int level = p[ROLE] & 0xf;
  int32_t index = (sptep - (int32_t)(tables / 2)) & (ENTRIES - 1);
  int32_t gfn = p[GFN] + (index << ((level - 1) * TABLE_BITS));
  if (w[kvm + N_MAX] - w[kvm + N_USED] <= MIN_FREE_PAGES) abort();
  int32_t queue = __atomic_load_n(&w[kvm + WAIT_LOCK], __ATOMIC_SEQ_CST);
  int contended = ((queue >> 16) & 0xffff) != (queue & 0xffff);
  if (contended || w[cache_desc] < SPLIT_DESC_MIN || w[cache_header] < 1 || w[cache_table] < 1) {
    __atomic_fetch_and(&w[kvm + MMU_CNTS], ~0xff, __ATOMIC_SEQ_CST);
    topup_all();
    int32_t expected = 0;
    __atomic_compare_exchange_n(&w[kvm + MMU_CNTS], &expected, 0xff, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    return 1;
  }
  int64_t *entry = (int64_t *)w + sptep;
  int64_t huge = __atomic_load_n(entry, __ATOMIC_SEQ_CST);
  int32_t role = (p[ROLE] & ~0xf) | (level - 1) | DIRECT;
  int32_t sp = find_page(gfn, role);
  if (sp == 0) {
    sp = pop(cache_header);
    init_page(sp, pop(cache_table), gfn, role);
  }

  int child_level = level - 1;
  int64_t first = child_level == 1 ? huge & ~(int64_t)PS : huge;
  int64_t step = (int64_t)1 << (12 + (child_level - 1) * TABLE_BITS);
  int32_t child = (int32_t)(tables / 2) + (header(sp)[TABLE] << TABLE_BITS);
  int64_t *entries = (int64_t *)w + child;
  int32_t *heads = w + rmap_head(gfn, child_level);
  int filled = 0;
  for (int i = 0; i < ENTRIES; i++) {
    if (entries[i] & PRESENT) continue;
    entries[i] = first + i * step;
    filled++;
    if (heads[i] == 0) heads[i] = (child + i) << 1;
    else pte_list_add(child + i, heads + i - w);
  }
  w[kvm + PAGES + child_level - 1] += filled;

  __atomic_exchange_n(entry, 0, __ATOMIC_SEQ_CST);
  w[kvm + PAGES + level - 1]--;
  pte_list_remove(sptep, rmap_head(gfn, level));
  int64_t link = PRESENT | 0x107 | ((int64_t)(table_pfn_base + header(sp)[TABLE]) << 12);
  __atomic_store_n(entry, link, __ATOMIC_RELEASE);
  pte_list_add(sptep, header(sp) + PARENT_PTES - w);
  splits++;
  return 0;
}

/* The handler over the heads of one level, as slot_handle_level_range() calls it. */
static void split_level(int level, long pages) {
  long first = rmap[level], count = pages >> ((level - 1) * TABLE_BITS);
  for (long head = first; head < first + count; head++) {
    while (w[head] != 0) {
      int32_t sptep = (int32_t)((uint32_t)w[head] >> 1);
      int32_t role = header(sptep_to_sp(sptep))[ROLE];
      if ((role & GUEST_MODE) == 0 || (w[2 * (long)sptep] & PS) == 0 || (role & INVALID)) abort();
      try_split(sptep);
    }
    int32_t queue = __atomic_load_n(&w[kvm + WAIT_LOCK], __ATOMIC_SEQ_CST);
    if (((queue >> 16) & 0xffff) != (queue & 0xffff)) abort();
  }
}

static void boot(int level, long pages) {
  w[kvm + N_MAX] = 1 << 28;
  topup_all();
  long per = 1L << ((level - 1) * TABLE_BITS);
  for (long page = 0; page < pages; page += per * ENTRIES) {
    int32_t gfn = (int32_t)(base_gfn + page), sp = pool_alloc(POOL_HEADERS), table = pool_alloc(POOL_TABLES);
    init_page(sp, table, gfn, level | GUEST_MODE | DIRECT | 7 << 8);
    for (int i = 0; i < ENTRIES && page + i * per < pages; i++) {
      int32_t sptep = (int32_t)(tables / 2) + (table << TABLE_BITS) + i;
      ((int64_t *)w)[sptep] = ((int64_t)(base_pfn + page + i * per) << 12) | ((int64_t)3 << 57) | PRESENT | PS | 0x337;
      w[kvm + PAGES + level - 1]++;
      pte_list_add(sptep, rmap_head(gfn + (int32_t)(i * per), level));
    }
  }
}

/* The words a batch changes, as ranges, found by comparing once. */
static long (*ranges)[2];
static long range_count;
static int32_t *image;
static void find_ranges(void) {
  long room = 0;
  for (long at = 0; at < words; at++) {
    if (w[at] == image[at]) continue;
    if (range_count > 0 && at - (ranges[range_count - 1][0] + ranges[range_count - 1][1]) < 16) {
      ranges[range_count - 1][1] = at + 1 - ranges[range_count - 1][0];
      continue;
    }
    if (range_count == room) ranges = realloc(ranges, (room = 2 * room + 16) * sizeof *ranges);
    ranges[range_count][0] = at;
    ranges[range_count++][1] = 1;
  }
}
static void restore(void) {
  for (long i = 0; i < range_count; i++) memcpy(w + ranges[i][0], image + ranges[i][0], 4 * ranges[i][1]);
}

static long now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000L + t.tv_nsec;
}

static void batch(int level, long pages) {
  for (int at = level; at > 1; at--) split_level(at, pages);
}

int main(int argc, char **argv) {
  if (argc != 21) return fprintf(stderr, "20 arguments wanted, %d given\n", argc - 1), 2;
  long *fields[] = {&words, &kvm, &pools, &hash_base, NULL, &headers, &table_owner, &tables, &rmap[1], &rmap[2],
                    &rmap[3], &cache_desc, &cache_header, &cache_table, &base_gfn, &base_pfn, &table_pfn_base};
  for (int i = 0; i < 17; i++) {
    if (fields[i] != NULL) *fields[i] = atol(argv[1 + i]);
    else if (i == 4) hash_bits = atoi(argv[1 + i]);
  }
  int cold = strcmp(argv[18], "cold") == 0, level = atoi(argv[19]);
  long pages = atol(argv[20]);
  w = mmap(NULL, 4 * words, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (w == MAP_FAILED) return perror("mmap"), 2;
  boot(level, pages);
  if (!cold) {
    image = malloc(4 * words);
    memcpy(image, w, 4 * words);
    batch(level, pages);
    find_ranges();
    restore();
  }
  long n;
  while (scanf("%ld", &n) == 1) {
    long ns = 0;
    splits = 0;
    for (long i = 0; i < n; i++) {
      long t0 = now();
      batch(level, pages);
      ns += now() - t0;
      if (!cold) restore();
    }
    printf("%ld %ld\n", ns, splits);
    fflush(stdout);
  }
  return 0;
}
