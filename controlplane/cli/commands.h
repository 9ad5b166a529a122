// One command a file: each adds itself to the command line and sets Context::action when chosen.
#pragma once

#include <CLI/App.hpp>

#include "controlplane/cli/context.h"

namespace xk::cli {

void add_status(CLI::App& app, Context& context);
void add_vrf(CLI::App& app, Context& context);
void add_attachment(CLI::App& app, Context& context);
void add_counters(CLI::App& app, Context& context);
void add_lease(CLI::App& app, Context& context);
void add_pool(CLI::App& app, Context& context);
void add_client(CLI::App& app, Context& context);
void add_static(CLI::App& app, Context& context);
void add_kea(CLI::App& app, Context& context);
void add_config(CLI::App& app, Context& context);
void add_events(CLI::App& app, Context& context);
void add_ha(CLI::App& app, Context& context);
void add_explain(CLI::App& app, Context& context);
void add_teardown(CLI::App& app, Context& context);
void add_reload(CLI::App& app, Context& context);

// A subcommand with its help's examples; global options may follow it.
CLI::App& add_command(CLI::App& parent, const std::string& name, const std::string& what,
                      const std::string& examples);
// A subcommand that only holds others: one of them must be given.
CLI::App& add_group(CLI::App& parent, const std::string& name, const std::string& what);

}  // namespace xk::cli
