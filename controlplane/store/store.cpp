#include "controlplane/store/store.h"

#include <condition_variable>
#include <mutex>
#include <optional>

#include "controlplane/store/answer.h"

namespace xk::store {

StoreResult<Committed> Store::commit_and_wait(Transaction transaction) {
  const auto answer = std::make_shared<Answer<Committed>>();
  commit(std::move(transaction),
         [answer](StoreResult<Committed> result) { answer->give(std::move(result)); });
  // A backend that gives up at its timeout says more of why than we could.
  return answer->wait(call_timeout() + std::chrono::milliseconds(200), "the commit");
}

std::string end_of_prefix(std::string prefix) {
  while (!prefix.empty() && static_cast<unsigned char>(prefix.back()) == 0xff) prefix.pop_back();
  if (!prefix.empty()) prefix.back() = static_cast<char>(static_cast<unsigned char>(prefix.back()) + 1);
  return prefix;
}

}  // namespace xk::store
