# Warnings and sanitizers of our own code, as one interface library that every own target links.
add_library(xk_warnings INTERFACE)
target_include_directories(xk_warnings INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(xk_warnings INTERFACE -Wall -Wextra -Wconversion -Wshadow -Werror)
add_library(xk_options INTERFACE)
target_link_libraries(xk_options INTERFACE xk_warnings)

# Assertions stay on in release builds: a bug of ours must stop where it is, not travel.
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1")
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g1")

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE})
endif()

if(XK_SANITIZE STREQUAL "address")
  target_compile_options(xk_options INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -O1 -g1)
  target_link_options(xk_options INTERFACE -fsanitize=address,undefined)
elseif(XK_SANITIZE STREQUAL "thread")
  target_compile_options(xk_options INTERFACE -fsanitize=thread)
  target_link_options(xk_options INTERFACE -fsanitize=thread)
endif()
if(XK_FUZZ)
  add_custom_target(fuzzers)
endif()

# xk_library(NAME sources... LINKS libraries...): an own static library, its public links given.
function(xk_library name)
  cmake_parse_arguments(ARG "" "" "LINKS;PRIVATE_LINKS" ${ARGN})
  add_library(${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PUBLIC xk_options ${ARG_LINKS} PRIVATE ${ARG_PRIVATE_LINKS})
  if(XK_FUZZ)
    target_compile_options(${name} PRIVATE -fsanitize=fuzzer-no-link)
  endif()
endfunction()

# Optimizing what the tests say themselves takes as long as compiling it, and makes nothing faster. Linked
# last, for the last -O counts.
add_library(xk_unoptimized INTERFACE)
target_compile_options(xk_unoptimized INTERFACE -O0)

# xk_seldom_run(targets...): nothing waits for these; a sanitized build of them takes half of the time without optimizing.
function(xk_seldom_run)
  if(NOT XK_SANITIZE STREQUAL "none")
    foreach(name ${ARGN})
      target_link_libraries(${name} PRIVATE xk_unoptimized)
    endforeach()
  endif()
endfunction()

# xk_test(NAME sources... LINKS libraries... LABEL suite): a GoogleTest program, run by CTest.
function(xk_test name)
  cmake_parse_arguments(ARG "" "LABEL" "LINKS" ${ARGN})
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE xk_options ${ARG_LINKS} GTest::gmock GTest::gtest_main xk_unoptimized)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS ${ARG_LABEL} TIMEOUT 300)
endfunction()

# xk_fuzzer(NAME source LINKS libraries...): a libFuzzer target; its corpus is tests/fuzz/corpus/NAME.
function(xk_fuzzer name source)
  cmake_parse_arguments(ARG "" "" "LINKS" ${ARGN})
  if(XK_FUZZ)
    add_executable(${name} ${source})
    target_link_libraries(${name} PRIVATE xk_options ${ARG_LINKS})
    target_compile_options(${name} PRIVATE -fsanitize=fuzzer-no-link)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    add_dependencies(fuzzers ${name})
  endif()
endfunction()
