// Aligned columns, two spaces apart. Cells are made safe for a terminal; an empty one shows as "-".
#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

namespace xk::cli {

enum class Align : std::uint8_t { left, right };
struct Column {
  std::string title;
  Align align = Align::left;
};

class Table {
 public:
  // nothing: the line shown in place of a table without rows, e.g. "no leases".
  Table(std::vector<Column> columns, std::string nothing);
  void row(const std::vector<std::string>& cells);  // as many as there are columns
  void print(std::ostream& out) const;

 private:
  void print_line(std::ostream& out, const std::vector<std::string>& cells) const;

  std::vector<Column> columns_;
  std::string nothing_;
  std::vector<std::size_t> widths_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace xk::cli
