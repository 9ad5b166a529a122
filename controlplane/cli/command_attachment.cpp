#include "controlplane/cli/commands.h"
#include "controlplane/cli/tables.h"

namespace xk::cli {

void add_attachment(CLI::App& app, Context& context) {
  CLI::App& group = add_group(app, "attachment", "list: where clients and servers are, port and VLANs");
  add_command(group, "list",
              "The attachments as the BPF map holds them, and those configured but not there yet",
              "  xdp-keactl attachment list\n"
              "  xdp-keactl -o json attachment list | jq '.attachments[] | select(.state == \"pending\")'\n")
      .callback([&context] {
        context.action = [&context] {
          return context.show<api::AttachmentsBody>(context.client().get("/v1/attachments"),
                                                    [](const api::AttachmentsBody& body, std::ostream& out) {
                                                      print_attachments(body.attachments, out);
                                                    });
        };
      });
}

}  // namespace xk::cli
