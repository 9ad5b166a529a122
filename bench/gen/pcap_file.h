// Frames to a pcap file.
#pragma once

#include <pcap/pcap.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace xk::gen {

inline void write_pcap(const std::string& path, const std::vector<std::vector<std::uint8_t>>& frames) {
  pcap_t* handle = pcap_open_dead(DLT_EN10MB, 65535);
  pcap_dumper_t* file = pcap_dump_open(handle, path.c_str());
  if (file == nullptr) {
    const std::string why = pcap_geterr(handle);
    pcap_close(handle);
    throw std::runtime_error(path + ": " + why);
  }
  for (const std::vector<std::uint8_t>& frame : frames) {
    pcap_pkthdr header{};
    header.caplen = header.len = static_cast<bpf_u_int32>(frame.size());
    pcap_dump(reinterpret_cast<u_char*>(file), &header, frame.data());
  }
  pcap_dump_close(file);
  pcap_close(handle);
}

}  // namespace xk::gen
