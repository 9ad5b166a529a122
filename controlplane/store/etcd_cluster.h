// The members of an etcd cluster as one: which one is asked, the token of the user, what is asked again
// elsewhere, and how it all goes.
#pragma once

#include <atomic>
#include <condition_variable>
#include <expected>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "controlplane/store/etcd_rpc.h"
#include "controlplane/store/store.h"

namespace xk::store {

class EtcdCluster {
 public:
  [[nodiscard]] static StoreResult<std::shared_ptr<EtcdCluster>> make(const EtcdOptions& options);

  // An error, and whether asking again can help.
  struct Refusal {
    StoreError error;
    bool again = false;
  };

  // Asks until it is answered, or the time is over: only for what may be done twice. attempts: how many
  // there were, if not null.
  template <typename Request, typename Response>
  [[nodiscard]] StoreResult<> ask(const std::string& what, std::chrono::milliseconds time,
                                  const Request& request, Response& response, int* attempts = nullptr) {
    const auto deadline = std::chrono::system_clock::now() + time;
    for (int attempt = 1;; ++attempt) {
      if (attempts != nullptr) *attempts = attempt;
      auto refusal = ask_once(what, attempt_deadline(deadline, time), request, response);
      if (!refusal) return {};
      if (!may_ask_again(*refusal, attempt, deadline)) return std::unexpected(std::move(refusal->error));
    }
  }
  // The same for call_timeout.
  template <typename Request, typename Response>
  [[nodiscard]] StoreResult<> ask(const std::string& what, const Request& request, Response& response,
                                  int* attempts = nullptr) {
    return ask(what, options_.call_timeout, request, response, attempts);
  }

  // Asks the current member, and another one from then on if there is no answer. Nothing: it was done.
  template <typename Request, typename Response>
  [[nodiscard]] std::optional<Refusal> ask_once(const std::string& what,
                                                std::chrono::system_clock::time_point deadline,
                                                const Request& request, Response& response) {
    EtcdMember& member = current();
    auto token = token_of(member, deadline);
    if (!token) return std::move(token.error());
    return after(member, *token, what, member.call({deadline, *token}, request, response));
  }
  // Until when one of several members is waited for, of all the time that there is.
  [[nodiscard]] std::chrono::system_clock::time_point attempt_deadline(
      std::chrono::system_clock::time_point deadline, std::chrono::milliseconds time) const;
  // After a pause, which is longer with each attempt. False: it does not help, or not in time.
  [[nodiscard]] bool may_ask_again(const Refusal& refusal, int attempt,
                                   std::chrono::system_clock::time_point deadline);

  // The member that is asked now.
  [[nodiscard]] EtcdMember& current();
  // It failed: another one is asked from now on.
  void leave(const EtcdMember& member);
  // The same, said in trouble().
  void unreachable(const EtcdMember& member);

  // The user's token; empty without a user.
  [[nodiscard]] std::expected<std::string, Refusal> token_of(EtcdMember& member,
                                                             std::chrono::system_clock::time_point deadline);
  // The token that was forgotten, if there was one: the next call gets another.
  std::string forget_token();
  // What a status means, noted for health(); nothing: it was done.
  [[nodiscard]] std::optional<Refusal> after(EtcdMember& member, const std::string& token,
                                             const std::string& what, const RpcStatus& status);

  void saw_revision(Revision revision);
  [[nodiscard]] Revision revision() const { return revision_; }
  [[nodiscard]] std::string trouble() const;  // empty: the last thing asked was answered
  [[nodiscard]] const EtcdOptions& options() const { return options_; }
  [[nodiscard]] std::string endpoints() const;

  // Waits for so long; false: the cluster was closed meanwhile.
  bool pause(std::chrono::milliseconds time);
  void close();

 private:
  explicit EtcdCluster(EtcdOptions options) : options_(std::move(options)) {}

  const EtcdOptions options_;
  std::vector<std::unique_ptr<EtcdMember>> members_;
  std::atomic<std::size_t> current_ = 0;
  std::atomic<Revision> revision_ = 0;
  mutable std::mutex mutex_;
  std::condition_variable closed_;
  bool closing_ = false;
  std::string token_;
  std::string trouble_ = "etcd has not answered yet";
};

}  // namespace xk::store
