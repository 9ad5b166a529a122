// Prints docs/configuration.md: xdp-kea-config-reference > docs/configuration.md
#include <iostream>

#include "controlplane/config/config.h"

int main() {
  std::cout << xk::config_reference_markdown() << std::flush;
  return std::cout.good() ? 0 : 1;
}
