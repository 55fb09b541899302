/* Says that it was compiled against another ABI: must be refused before its init runs. */
#include <stdint.h>

__attribute__((visibility("default"))) extern const uint32_t wayang_plugin_abi;
const uint32_t wayang_plugin_abi = 99;

__attribute__((visibility("default"))) int wayang_plugin_init(const void *host, void *registry);
int wayang_plugin_init(const void *host, void *registry) {
    (void)host;
    (void)registry;
    __builtin_trap();
}
