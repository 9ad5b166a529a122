#include <exception>
#include <iostream>

#include "controlplane/cli/cli.h"

int main(int argc, char** argv) {
  try {
    return static_cast<int>(xk::cli::run({argv + 1, argv + argc}, {std::cout, std::cerr}));
  } catch (const std::exception& error) {  // out of memory: nothing else gets here
    std::cerr << "xdp-keactl: " << error.what() << '\n';
    return static_cast<int>(xk::cli::ExitCode::refused);
  }
}
