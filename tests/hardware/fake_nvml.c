/* A stand-in for libnvidia-ml.so.1 with the ABI that nvidia-ml-py calls: same names and versions, same structures.
 * FAKE_NVML names the machine to be; every number is what such a machine reports, so that tests can expect it. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OK = 0, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NO_PERMISSION = 4, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7,
       DRIVER_NOT_LOADED = 9, LOST = 15, OS_BLOCKED = 17, MISMATCH = 18, BAD_VERSION = 25, UNKNOWN = 999 };

#define MIB 1048576ULL
#define API __attribute__((visibility("default"))) int
#define INSTANCES 2

typedef struct Gpu {
    const char *name, *uuid, *bus;
    int cc[2], links, links_down, width, gen, max_gen, slices;
    unsigned long long total_mib, reserved_mib, used_mib, slice_mib;
    unsigned limit_mw, default_mw, sm_mhz, mem_mhz, uncorrected, lifetime, sms, gi, fabric, slow, retired;
    int unified, lost, parent_hidden, remap_pending;
    struct Gpu *mig;
} Gpu;

static Gpu SLICES[INSTANCES] = {
    {.name = "NVIDIA H100 80GB HBM3 MIG 3g.40gb", .uuid = "MIG-11111111-aaaa-5555-8888-000000000001",
     .total_mib = 40448, .used_mib = 48, .slice_mib = 40448, .sms = 60, .gi = 2},
    {.name = "NVIDIA H100 80GB HBM3 MIG 1g.10gb", .uuid = "MIG-22222222-aaaa-5555-8888-000000000002",
     .total_mib = 9984, .used_mib = 15, .slice_mib = 9984, .sms = 16, .gi = 9},
};
#define H100(N, U, B) {.name = N, .uuid = U, .bus = B, .cc = {9, 0}, .links = 18, .width = 16, .gen = 5, .max_gen = 5, \
     .total_mib = 81559, .reserved_mib = 551, .used_mib = 4, .limit_mw = 700000, .default_mw = 700000, .sm_mhz = 1980, .mem_mhz = 2619, .fabric = 3}
static Gpu H100S[2] = {
    H100("NVIDIA H100 80GB HBM3", "GPU-aaaa0000-1111-2222-3333-444444444444", "00000000:18:00.0"),
    H100("NVIDIA H100 80GB HBM3", "GPU-aaaa1111-1111-2222-3333-444444444444", "00000000:2A:00.0"),
};
static Gpu A10 = {.name = "NVIDIA A10", .uuid = "GPU-bbbb0000-1111-2222-3333-444444444444", .bus = "00000000:00:1E.0",
    .cc = {8, 6}, .width = 8, .gen = 1, .max_gen = 4, .total_mib = 23028, .reserved_mib = 308, .used_mib = 9000,
    .limit_mw = 150000, .default_mw = 150000, .sm_mhz = 1695, .mem_mhz = 6251};
static Gpu T4 = {.name = "Tesla T4", .uuid = "GPU-dddd0000-1111-2222-3333-444444444444", .bus = "00000000:00:1E.0",
    .cc = {7, 5}, .width = 16, .gen = 1, .max_gen = 3, .total_mib = 15360, .reserved_mib = 450, .used_mib = 1,
    .limit_mw = 70000, .default_mw = 70000, .sm_mhz = 1590, .mem_mhz = 5001, .retired = 1};
static Gpu GB10 = {.name = "NVIDIA GB10", .uuid = "GPU-cccc0000-1111-2222-3333-444444444444", .bus = "0000000F:01:00.0",
    .cc = {12, 1}, .width = 1, .gen = 1, .max_gen = 5, .unified = 1};

static Gpu *gpus[2] = {&H100S[0], &H100S[1]};
static unsigned count = 2;
static int wsl_partial, old_driver, cuda = 12080;
static const char *driver = "570.124.06";

static int is(const char *name) { const char *s = getenv("FAKE_NVML"); return s && !strcmp(s, name); }

API nvmlInitWithFlags(unsigned flags) {
    if (is("driver_not_loaded")) return DRIVER_NOT_LOADED;
    if (is("version_mismatch")) return MISMATCH;
    if (is("no_permission")) return NO_PERMISSION;
    if (is("blocked")) return OS_BLOCKED;
    if (is("wsl")) return UNKNOWN;
    if (is("no_gpu")) count = 0;
    if (is("lost_handle")) H100S[1].lost = 2;
    if (is("lost")) H100S[1].lost = 1;
    if (is("wsl_partial")) wsl_partial = 1;
    if (is("old_driver")) old_driver = 1;
    if (is("too_old")) driver = "535.104.05", cuda = 12020;
    if (is("forward_compatible")) driver = "535.104.05", cuda = 13000;
    if (is("pcie_x4")) H100S[0].width = 4, H100S[0].gen = 1;
    if (is("throttled")) H100S[0].slow = 0x44, H100S[1].limit_mw = 500000; /* power cap and heat; a lowered limit */
    if (is("remap_pending")) H100S[0].remap_pending = 1, H100S[1].lifetime = 2;
    if (is("processes")) H100S[0].used_mib = 20000;
    if (is("t4")) gpus[0] = &T4, count = 1;
    if (is("h100_vm")) { /* one H100 of a larger machine: its links are there and off, nobody takes it into a fabric */
        driver = "580.159.03", cuda = 13000, count = 1;
        H100S[0].links_down = 18, H100S[0].fabric = 2, H100S[0].gen = 1;
    }
    if (is("links_down")) H100S[1].links_down = 2, H100S[1].uncorrected = 3, H100S[1].fabric = 2;
    if (is("a10")) gpus[0] = &A10, count = 1;
    if (is("mixed")) gpus[0] = &A10;
    if (is("gb10")) gpus[0] = &GB10, count = 1;
    if (is("unknown_product")) H100S[0].name = "NVIDIA X9000 Imaginary", count = 1;
    if (is("mig") || is("mig_in_container")) {
        count = 1, H100S[0].mig = SLICES, H100S[0].slices = INSTANCES, H100S[0].links = 0;
        H100S[0].parent_hidden = is("mig_in_container");
    }
    return OK;
}
API nvmlShutdown(void) { return OK; }
__attribute__((visibility("default"))) const char *nvmlErrorString(int code) { return code == UNKNOWN ? "Unknown Error" : "an error"; }
API nvmlSystemGetDriverVersion(char *out, unsigned size) { snprintf(out, size, "%s", driver); return OK; }
API nvmlSystemGetNVMLVersion(char *out, unsigned size) { snprintf(out, size, "12.570.124.06"); return OK; }
API nvmlSystemGetCudaDriverVersion_v2(int *out) { *out = cuda; return OK; }
API nvmlSystemGetProcessName(unsigned pid, char *out, unsigned size) {
    if (pid != 4242) return NOT_FOUND; /* the other process lives outside this container */
    snprintf(out, size, "/usr/bin/python3");
    return OK;
}
API nvmlDeviceGetCount_v2(unsigned *out) { *out = count; return OK; }
API nvmlDeviceGetHandleByIndex_v2(unsigned index, Gpu **out) {
    if (index >= count) return INVALID_ARGUMENT;
    if (gpus[index]->lost == 2) return LOST;
    *out = gpus[index];
    return OK;
}

#define FIELD(NAME, TYPE, GUARD, VALUE) API NAME(Gpu *g, TYPE *out) { if (g->lost) return LOST; GUARD; *out = (VALUE); return OK; }
#define SKIP(CONDITION) if (CONDITION) return NOT_SUPPORTED
FIELD(nvmlDeviceGetEnforcedPowerLimit, unsigned, SKIP(!g->limit_mw), g->limit_mw)
FIELD(nvmlDeviceGetPowerManagementLimit, unsigned, SKIP(!g->limit_mw), g->limit_mw)
FIELD(nvmlDeviceGetPowerManagementDefaultLimit, unsigned, SKIP(!g->default_mw), g->default_mw)
FIELD(nvmlDeviceGetCurrentClocksEventReasons, unsigned long long, SKIP(g->unified), g->slow)
FIELD(nvmlDeviceGetRetiredPagesPendingStatus, unsigned, SKIP(!g->retired), 1)
FIELD(nvmlDeviceGetPowerUsage, unsigned, SKIP(0), 71234)
FIELD(nvmlDeviceGetCurrPcieLinkGeneration, unsigned, SKIP(!g->gen), (unsigned)g->gen)
FIELD(nvmlDeviceGetMaxPcieLinkGeneration, unsigned, SKIP(!g->gen), (unsigned)g->max_gen)
FIELD(nvmlDeviceGetCurrPcieLinkWidth, unsigned, SKIP(!g->width), (unsigned)g->width)
FIELD(nvmlDeviceGetMaxPcieLinkWidth, unsigned, SKIP(!g->width), 16)
FIELD(nvmlDeviceGetPersistenceMode, unsigned, SKIP(wsl_partial), 1)
FIELD(nvmlDeviceGetVirtualizationMode, unsigned, SKIP(0), 1)
FIELD(nvmlDeviceGetMaxMigDeviceCount, unsigned, SKIP(!g->mig), 7)
FIELD(nvmlDeviceGetGpuInstanceId, unsigned, SKIP(!g->gi), g->gi)
FIELD(nvmlDeviceGetComputeInstanceId, unsigned, SKIP(!g->gi), 0)

static int text(Gpu *g, const char *value, char *out, unsigned size) {
    if (g->lost) return LOST;
    snprintf(out, size, "%s", value);
    return OK;
}
API nvmlDeviceGetName(Gpu *g, char *out, unsigned size) { return text(g, g->name, out, size); }
API nvmlDeviceGetUUID(Gpu *g, char *out, unsigned size) { return text(g, g->uuid, out, size); }

typedef struct { char legacy[16]; unsigned domain, bus, device, id, subsystem; char bus_id[32]; } PciInfo;
API nvmlDeviceGetPciInfo_v3(Gpu *g, PciInfo *out) {
    memset(out, 0, sizeof *out);
    return text(g, g->bus, out->bus_id, sizeof out->bus_id);
}
API nvmlDeviceGetCudaComputeCapability(Gpu *g, int *major, int *minor) {
    if (g->lost) return LOST;
    *major = g->cc[0], *minor = g->cc[1];
    return OK;
}

typedef struct { unsigned long long total, free, used; } Memory;
typedef struct { unsigned version; unsigned long long total, reserved, free, used; } MemoryV2;
_Static_assert(sizeof(MemoryV2) == 40, "nvmlMemory_v2_t");
static int memory_refusal(Gpu *g) { return g->lost ? LOST : g->unified ? NOT_SUPPORTED : g->parent_hidden ? NO_PERMISSION : OK; }
API nvmlDeviceGetMemoryInfo_v2(Gpu *g, MemoryV2 *out) {
    if (memory_refusal(g)) return memory_refusal(g);
    if (old_driver) return 13; /* function not found */
    if (out->version != (sizeof *out | 2u << 24)) return BAD_VERSION;
    out->total = g->total_mib * MIB, out->reserved = g->reserved_mib * MIB, out->used = g->used_mib * MIB;
    out->free = out->total - out->reserved - out->used;
    return OK;
}
API nvmlDeviceGetMemoryInfo(Gpu *g, Memory *out) {
    if (memory_refusal(g)) return memory_refusal(g);
    out->total = g->total_mib * MIB, out->used = (g->used_mib + g->reserved_mib) * MIB, out->free = out->total - out->used;
    return OK;
}
static int clock_mhz(Gpu *g, unsigned domain, unsigned *out) {
    if (g->lost) return LOST;
    if (!g->sm_mhz || (domain != 1 && domain != 2)) return NOT_SUPPORTED;
    *out = domain == 1 ? g->sm_mhz : g->mem_mhz;
    return OK;
}
API nvmlDeviceGetMaxClockInfo(Gpu *g, unsigned domain, unsigned *out) { return clock_mhz(g, domain, out); }
API nvmlDeviceGetClockInfo(Gpu *g, unsigned domain, unsigned *out) { return clock_mhz(g, domain, out); }

static int port(Gpu *g, unsigned link) { return g->lost ? LOST : !g->links ? NOT_SUPPORTED : link >= (unsigned)g->links ? INVALID_ARGUMENT : OK; }
API nvmlDeviceGetNvLinkState(Gpu *g, unsigned link, unsigned *out) {
    if (port(g, link)) return port(g, link);
    *out = link >= (unsigned)g->links_down;
    return OK;
}
API nvmlDeviceGetNvLinkVersion(Gpu *g, unsigned link, unsigned *out) { *out = 6; return port(g, link); }
API nvmlDeviceGetNvLinkRemoteDeviceType(Gpu *g, unsigned link, unsigned *out) { *out = 2; return port(g, link); }
API nvmlDeviceGetNvLinkRemotePciInfo_v2(Gpu *g, unsigned link, PciInfo *out) {
    memset(out, 0, sizeof *out);
    strcpy(out->bus_id, "00000000:07:00.0");
    return port(g, link);
}
API nvmlDeviceGetP2PStatus(Gpu *a, Gpu *b, int capability, unsigned *out) {
    if (a->lost || b->lost) return LOST;
    *out = capability == 2 && a->links && b->links ? 0 : 5;
    return OK;
}
API nvmlDeviceGetTopologyCommonAncestor(Gpu *a, Gpu *b, unsigned *out) { *out = 40; return a->lost || b->lost ? LOST : OK; }

typedef struct { unsigned version; unsigned char cluster[16]; int status; uint32_t clique; unsigned char state; uint32_t health; } Fabric;
_Static_assert(sizeof(Fabric) == 36, "nvmlGpuFabricInfo_v2_t");
API nvmlDeviceGetGpuFabricInfoV(Gpu *g, Fabric *out) {
    if (g->lost) return LOST;
    if (out->version != (sizeof *out | 2u << 24)) return BAD_VERSION;
    out->state = g->fabric;
    return OK;
}

API nvmlDeviceGetMigMode(Gpu *g, unsigned *now, unsigned *pending) {
    if (g->lost) return LOST;
    SKIP(g->cc[0] != 9);
    *now = *pending = g->mig != NULL;
    return OK;
}
API nvmlDeviceGetMigDeviceHandleByIndex(Gpu *g, unsigned slot, Gpu **out) {
    if (slot >= (unsigned)g->slices) return NOT_FOUND;
    *out = &g->mig[slot];
    return OK;
}
typedef struct { unsigned sms, copy, dec, enc, jpeg, ofa, gi_slices, ci_slices; unsigned long long memory_mib; } Attributes;
API nvmlDeviceGetAttributes_v2(Gpu *g, Attributes *out) {
    SKIP(!g->slice_mib);
    memset(out, 0, sizeof *out);
    out->sms = g->sms, out->memory_mib = g->slice_mib;
    return OK;
}

API nvmlDeviceGetEccMode(Gpu *g, unsigned *now, unsigned *pending) {
    if (g->lost) return LOST;
    SKIP(g->unified);
    *now = *pending = 1;
    return OK;
}
API nvmlDeviceGetTotalEccErrors(Gpu *g, unsigned type, unsigned counter, unsigned long long *out) {
    *out = type == 0 ? 7 : counter == 0 ? g->uncorrected : g->uncorrected + g->lifetime;
    return g->lost ? LOST : OK;
}
API nvmlDeviceGetRemappedRows(Gpu *g, unsigned *corrected, unsigned *uncorrected, unsigned *pending, unsigned *failed) {
    SKIP(g->cc[0] < 8);
    *corrected = *uncorrected = *failed = 0, *pending = (unsigned)g->remap_pending;
    return g->lost ? LOST : OK;
}
API nvmlDeviceGetRetiredPages(Gpu *g, unsigned cause, unsigned *held, unsigned long long *addresses) {
    if (g->lost) return LOST;
    SKIP(g->cc[0] >= 8);
    unsigned had = *held;
    *held = cause == 1 ? g->retired : 0; /* double-bit errors only */
    if (!*held) return OK;
    if (had < *held) return INSUFFICIENT_SIZE;
    addresses[0] = 0x1000;
    return OK;
}
API nvmlDeviceGetUtilizationRates(Gpu *g, unsigned out[2]) {
    if (wsl_partial) return UNKNOWN;
    out[0] = 37, out[1] = 12;
    return g->lost ? LOST : OK;
}
typedef struct { unsigned version, sensor; int celsius; } Temperature;
API nvmlDeviceGetTemperatureV(Gpu *g, Temperature *out) {
    if (out->version != (sizeof *out | 1u << 24)) return BAD_VERSION;
    out->celsius = 41;
    return g->lost ? LOST : OK;
}

typedef struct { unsigned pid; unsigned long long used; unsigned gi, ci; } Process;
API nvmlDeviceGetComputeRunningProcesses_v3(Gpu *g, unsigned *room, Process *out) {
    if (g->lost) return LOST;
    if (wsl_partial) return UNKNOWN;
    unsigned held = g->used_mib > 1000 ? 2 : 0, had = *room;
    *room = held;
    if (!held) return OK;
    if (had < held) return INSUFFICIENT_SIZE;
    out[0] = (Process){.pid = 4242, .used = 1000 * MIB, .gi = ~0u, .ci = ~0u};
    out[1] = (Process){.pid = 9999, .used = 8000 * MIB, .gi = ~0u, .ci = ~0u};
    return OK;
}
API nvmlDeviceGetGraphicsRunningProcesses_v3(Gpu *g, unsigned *room, Process *out) {
    *room = 0;
    return g->lost ? LOST : wsl_partial ? UNKNOWN : OK;
}
