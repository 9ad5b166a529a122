#include "controlplane/cli/table.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "controlplane/cli/text.h"

namespace xk::cli {

Table::Table(std::vector<Column> columns, std::string nothing)
    : columns_(std::move(columns)), nothing_(std::move(nothing)) {
  for (const Column& column : columns_) widths_.push_back(display_width(column.title));
}

void Table::row(const std::vector<std::string>& cells) {
  assert(cells.size() == columns_.size());
  std::vector<std::string>& made = rows_.emplace_back();
  for (std::size_t i = 0; i < cells.size(); ++i) {
    made.push_back(or_dash(safe_text(cells[i])));
    widths_[i] = std::max(widths_[i], display_width(made.back()));
  }
}

void Table::print(std::ostream& out) const {
  if (rows_.empty()) {
    out << nothing_ << '\n';
    return;
  }
  std::vector<std::string> titles;
  for (const Column& column : columns_) titles.push_back(column.title);
  print_line(out, titles);
  for (const auto& cells : rows_) print_line(out, cells);
}

void Table::print_line(std::ostream& out, const std::vector<std::string>& cells) const {
  std::string line;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const std::string padding(widths_[i] - display_width(cells[i]), ' ');
    if (i > 0) line += "  ";
    line += columns_[i].align == Align::right ? padding + cells[i] : cells[i] + padding;
  }
  line.erase(line.find_last_not_of(' ') + 1);
  out << line << '\n';
}

}  // namespace xk::cli
