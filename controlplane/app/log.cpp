#include "controlplane/app/log.h"

namespace xk::kead {

std::string quoted(std::string text) {
  for (char& c : text) {
    if (c == '"') c = '\'';
    if (c == '\n') c = ' ';
  }
  return text;
}

}  // namespace xk::kead
