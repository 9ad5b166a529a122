#include "controlplane/config/text_checks.h"

#include <algorithm>
#include <charconv>
#include <vector>

#include "controlplane/config/mistakes.h"
#include "controlplane/config/pool_rule.h"
#include "controlplane/config/vss.h"
#include "controlplane/model/endpoint.h"
#include "controlplane/model/kea_options.h"
#include "controlplane/model/template.h"

namespace xk::config {
namespace {

constexpr std::size_t kDirectoryMax = 80;  // leaves room for file names below it in a socket's address
constexpr std::size_t kSocketMax = 107;    // sun_path without its zero
constexpr std::size_t kFileMax = 4095;     // PATH_MAX without its zero
constexpr std::size_t kInterfaceMax = 15;  // IFNAMSIZ without its zero
constexpr std::size_t kUserMax = 32;       // as useradd
constexpr std::size_t kDeviceMax = 255;    // EAL device string
constexpr std::size_t kTemplateMax = 255;  // a template longer than an option is a mistake

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_printable(char c) { return c >= ' ' && c <= '~'; }

bool only(std::string_view text, std::string_view also) {
  return std::ranges::all_of(
      text, [also](char c) { return is_letter(c) || is_digit(c) || also.find(c) != std::string_view::npos; });
}

std::string length_wrong(std::string_view text, std::size_t max) {
  if (!text.empty() && text.size() <= max) return "";
  return "has " + std::to_string(text.size()) + " characters; 1 to " + std::to_string(max) + " are allowed";
}

std::string check_path(std::string_view text, std::size_t max) {
  if (std::string wrong = length_wrong(text, max); !wrong.empty()) return wrong;
  if (text.front() != '/') return "is no absolute path; it must start with \"/\"";
  if (!std::ranges::all_of(text, is_printable)) return "has a character that is not printable ASCII";
  // A path with ".." could leave the directory that its permissions were thought out for.
  if ((std::string(text) + "/").find("/../") != std::string::npos) return "has a \"..\" in it; write it out";
  return "";
}

}  // namespace

std::string check_appliance_name(std::string_view text) {
  if (std::string wrong = length_wrong(text, 32); !wrong.empty()) return wrong;
  if (!is_letter(text.front()) || !only(text, "-_")) {
    return "is no name; allowed: letters, digits, \"-\" and \"_\", a letter first";
  }
  return "";
}

std::string check_vrf_name(std::string_view text) {
  if (std::string wrong = length_wrong(text, 63); !wrong.empty()) return wrong;
  if ((!is_letter(text.front()) && !is_digit(text.front())) || !only(text, "-_.")) {
    return "is no VRF name; allowed: letters, digits, \"-\", \"_\" and \".\", a letter or digit first";
  }
  return "";
}

std::string check_name(std::string_view text) {
  if (std::string wrong = length_wrong(text, 63); !wrong.empty()) return wrong;
  if ((!is_letter(text.front()) && !is_digit(text.front())) || !only(text, "-_."))
    return "is no name; allowed: letters, digits, \"-\", \"_\" and \".\", a letter or digit first";
  return "";
}

std::string check_boot_file(std::string_view text) {
  if (std::string wrong = length_wrong(text, kNativeBootFileMax); !wrong.empty()) return wrong;
  if (!std::ranges::all_of(text, is_printable)) return "has a character that is not printable ASCII";
  return "";
}

std::string check_match(std::string_view text) {
  if (std::string wrong = length_wrong(text, 2 + 2 * kOptionBytesMax); !wrong.empty()) return wrong;
  if (!std::ranges::all_of(text, is_printable))
    return "has a character that is not printable ASCII; write the bytes as 0x and hex";
  return "";
}

std::string check_host_name(std::string_view text) {
  if (std::string wrong = length_wrong(text, kHostNameMax); !wrong.empty()) return wrong;
  if (!only(text, "-_.")) return "is no host name; allowed: letters, digits, \"-\", \"_\" and \".\"";
  return "";
}

std::string check_domain(std::string_view text) {
  if (std::string wrong = length_wrong(text, 253); !wrong.empty()) return wrong;
  if (text.ends_with('.')) text.remove_suffix(1);
  std::size_t label = 0;
  for (const char c : text) {
    if (c == '.' && label == 0) return "has an empty label; write it as \"example.net\"";
    label = c == '.' ? 0 : label + 1;
    if (label > 63) return "has a label of more than 63 characters (RFC 1035 2.3.4)";
  }
  if (label == 0 || !only(text, "-_.")) {
    return "is no domain name; allowed: letters, digits, \"-\", \"_\" and \".\" between labels";
  }
  return "";
}

std::string check_directory(std::string_view text) { return check_path(text, kDirectoryMax); }
std::string check_file(std::string_view text) { return check_path(text, kFileMax); }
std::string check_socket(std::string_view text) { return check_path(text, kSocketMax); }

std::string check_endpoint(std::string_view text) {
  if (parse_endpoint(text)) return "";
  return "is no numeric address with a port; allowed: 127.0.0.1:9547 or [::1]:9547";
}

// http(s)://host:port, the host a name, an IPv4 address or an IPv6 address in brackets.
std::string check_url(std::string_view text) {
  const std::string wrong =
      "is no URL of etcd; allowed: http:// or https://, host and port, as in https://10.0.0.1:2379";
  std::string_view rest = text;
  if (rest.starts_with("https://"))
    rest.remove_prefix(8);
  else if (rest.starts_with("http://"))
    rest.remove_prefix(7);
  else
    return wrong;
  const std::size_t colon = rest.rfind(':');
  if (colon == rest.npos || colon == 0 || colon > kHostNameMax) return wrong;
  std::string_view host = rest.substr(0, colon);
  if (host.starts_with('[') != host.ends_with(']')) return wrong;
  const bool bracketed = host.starts_with('[');
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (host.empty() || !only(host, bracketed ? ":." : "-.")) return wrong;
  std::uint32_t port = 0;
  const std::string_view digits = rest.substr(colon + 1);
  const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (failed != std::errc{} || end != digits.data() + digits.size() || port == 0 || port > 65535)
    return wrong;
  return "";
}

std::string check_group(std::string_view text) {
  if (std::string wrong = length_wrong(text, kUserMax); !wrong.empty()) return wrong;
  if ((!is_letter(text.front()) && text.front() != '_') || !only(text, "-_.")) {
    return "is no user or group name; allowed: letters, digits, \"-\", \"_\" and \".\", a letter or \"_\" "
           "first";
  }
  return "";
}

std::string check_user(std::string_view text) {
  if (text == "root") return "has every privilege; allowed: a user without";
  return check_group(text);
}

std::string check_interface(std::string_view text) {
  if (std::string wrong = length_wrong(text, kInterfaceMax); !wrong.empty()) {
    return wrong + " in an interface name";
  }
  const bool bad = std::ranges::any_of(text, [](char c) {
    return !is_printable(c) || c == ' ' || c == '/' || c == ':' || c == '"' || c == '\\';
  });
  if (bad || text == "." || text == "..") {
    return "is no interface name; allowed: printable characters but space, \"/\", \":\", quotes and \"\\\"";
  }
  return "";
}

std::string check_device(std::string_view text) {
  if (std::string wrong = length_wrong(text, kDeviceMax); !wrong.empty()) return wrong;
  const bool bad = std::ranges::any_of(text, [](char c) { return !is_printable(c) || c == ' '; });
  return bad ? "is no device; allowed: printable characters without spaces" : "";
}

std::string check_template(std::string_view text) {
  if (text.size() > kTemplateMax) {
    return "has " + std::to_string(text.size()) + " characters; at most 255 are allowed";
  }
  const auto rendered = render_template(text, {});
  return rendered ? "" : "has " + rendered.error().message;
}

std::string check_option_name(std::string_view text) {
  if (named_option(text) != nullptr) return "";
  std::vector<std::string_view> names;
  for (const KeaOption& option : kea_options()) names.push_back(option.name);
  for (const KeaOption& option : further_options()) names.push_back(option.name);
  return "is no name of an option" + did_you_mean(text, names) + "; give others by code";
}

std::string check_option_data(std::string_view text) {
  if (text.size() > 1024)
    return "has " + std::to_string(text.size()) + " characters; at most 1024 are allowed";
  if (!std::ranges::all_of(text, is_printable)) return "has a character that is not printable ASCII; use hex";
  return "";
}

std::string check_hex(std::string_view text) {
  const bool digits = std::ranges::all_of(
      text, [](char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); });
  if (!digits || text.size() % 2 != 0)
    return "is no data in hex; it is two digits 0-9, a-f a byte, nothing between";
  if (text.size() > 2 * kLongOptionBytesMax) {
    return "has " + std::to_string(text.size() / 2) + " bytes; an option has at most " +
           std::to_string(kLongOptionBytesMax);
  }
  return "";
}

std::string check_glob(std::string_view text) {
  const bool printable = std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; });
  return !text.empty() && text.size() <= 64 && printable
             ? ""
             : "is no pattern of interface names; allowed: 1 to 64 printable characters without space";
}

std::string check_pool_rule(std::string_view text) {
  const auto rule = parse_pool_rule(text);
  return rule ? "" : rule.error().message;
}

std::string check_vss(std::string_view text) {
  const auto vss = parse_vss(text);
  return vss ? "" : vss.error().message;
}

}  // namespace xk::config
