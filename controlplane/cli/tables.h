// The tables that more than one command shows.
#pragma once

#include <ostream>
#include <vector>

#include "controlplane/api/control.h"

namespace xk::cli {

void print_vrfs(const std::vector<api::VrfView>& vrfs, std::ostream& out);
void print_attachments(const std::vector<api::AttachmentView>& attachments, std::ostream& out);
void print_servers(const std::vector<api::ServerView>& servers, std::ostream& out);
void print_natives(const std::vector<api::NativeView>& natives, std::ostream& out);
void print_keas(const std::vector<api::KeaView>& keas, std::ostream& out);

}  // namespace xk::cli
