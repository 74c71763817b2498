# How every target of this repository is built. The functions:
#
#   vn_library(<layer> [SOURCES f.c ...] [LINKS target ...])
#       Static library vn_<layer>; without SOURCES a header-only one. LINKS are public: they are the
#       layer's arrows.
#   vn_program(<name> SOURCES f.c ... [LINKS target ...] [NOINSTALL])
#       Executable in <build>/bin, installed unless NOINSTALL.
#   vn_proto(<name> <file.proto>)
#       Static library vn_proto_<name>; include as "<file>.pb-c.h". Generated, so without warnings.
#   vn_unit_test(<name> SOURCES f.c ... [LINKS target ...] [LABEL unit|vectors|property]
#                [ARGS a ...] [TIMEOUT s])
#       cmocka program test_<name> in <build>/tests and one CTest entry of that label.
#   vn_fuzz_target(<name> SOURCES f.c ... [LINKS target ...] CORPUS dir)
#       With VN_FUZZ a libFuzzer binary; otherwise a program that feeds it every corpus file, run by
#       CTest under the label corpus. Either way <build>/fuzz/fuzz_<name>.

set(VN_SANITIZE "" CACHE STRING "sanitizers, as in -fsanitize=")
option(VN_FUZZ "build libFuzzer targets (needs clang)" OFF)
option(VN_COVERAGE "instrument for gcovr" OFF)
set(VN_TIME_SCALE 1 CACHE STRING "long timers run so many times as fast, see src/base/limits.h")
option(VN_UNSEALED "for benches only: encrypt nothing, check nothing (src/crypto/aead_none.c)" OFF)
option(VEILNET_MOVE_BUFFERS "reallocate on every reserve, so that stale pointers fail at once" OFF)

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
# Assertions stay on: what they state only a bug could break, and a daemon that goes on from there is worse than one that
# its supervisor starts again. None is on the path of a byte from outside.
set(CMAKE_C_FLAGS_RELEASE "-O2 -g")
set(CMAKE_C_FLAGS_DEBUG "-Og -g3")

include(CheckPIESupported)
check_pie_supported(LANGUAGES C)

if(NOT VN_TIME_SCALE MATCHES "^[1-9][0-9]*$")
    message(FATAL_ERROR "VN_TIME_SCALE is a whole number from 1")
elseif(VN_TIME_SCALE GREATER 1)
    if(CMAKE_BUILD_TYPE STREQUAL "Release")
        message(FATAL_ERROR "a release build has no VN_TIME_SCALE: use the preset scaled")
    endif()
    # Said by every program, and what scripts/check-binaries.sh looks for in what is shipped.
    set(vn_version_note "+time_scale.${VN_TIME_SCALE}")
    install(CODE "message(FATAL_ERROR \"built with VN_TIME_SCALE: for tests only\")")
endif()
if(VN_UNSEALED)
    string(APPEND vn_version_note "+unsealed")
    install(CODE "message(FATAL_ERROR \"built with VN_UNSEALED: for benches only\")")
endif()
if(CMAKE_BUILD_TYPE STREQUAL "Release")
    add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong
                        -fstack-clash-protection -ffunction-sections -fdata-sections)
    add_link_options(-Wl,-z,relro,-z,now -Wl,--gc-sections)
    # Not every linker can: then functions stand in the order of their files.
    include(CheckLinkerFlag)
    set(VN_HOT_ORDER "${PROJECT_SOURCE_DIR}/cmake/hot.ld")
    check_linker_flag(C "-Wl,--section-ordering-file=${VN_HOT_ORDER}" VN_LINKER_ORDERS)
endif()
# In every build: a library that a program does not use must not run in it either (libjose allocates
# as it is loaded).
add_link_options(-Wl,--as-needed)
if(VN_SANITIZE)
    list(JOIN VN_SANITIZE "," vn_sanitize_csv)
    add_compile_options(-fsanitize=${vn_sanitize_csv} -fno-sanitize-recover=all
                        -fno-omit-frame-pointer)
    add_link_options(-fsanitize=${vn_sanitize_csv})
    # Hundreds of programs are built to run once: reports need lines, not variables.
    add_compile_options(-g1)
    # For the same reason they are linked by lld where it is: it takes a third of ld's time.
    find_program(VN_LLD ld.lld PATHS /usr/lib/llvm-19/bin)
    if(VN_LLD)
        cmake_path(GET VN_LLD PARENT_PATH vn_lld_dir)
        add_link_options(-B${vn_lld_dir} -fuse-ld=lld)
    endif()
endif()
if(VN_FUZZ)
    add_compile_options(-fsanitize=fuzzer-no-link)
endif()
if(VN_COVERAGE)
    add_compile_options(--coverage -fprofile-update=atomic)
    add_link_options(--coverage)
endif()

# What gets installed, without the tests: ./dev demo and ./dev install build only this.
add_custom_target(programs)

# What our own code is compiled with; generated code is exempt.
add_library(vn_own INTERFACE)
target_include_directories(vn_own INTERFACE "${PROJECT_SOURCE_DIR}/src"
                                            "${PROJECT_SOURCE_DIR}/include")
target_compile_definitions(
    vn_own INTERFACE _GNU_SOURCE VN_VERSION="${PROJECT_VERSION}${vn_version_note}"
                     VN_TIME_SCALE=${VN_TIME_SCALE}
                     $<$<BOOL:${VEILNET_MOVE_BUFFERS}>:VEILNET_MOVE_BUFFERS>)
target_compile_options(
    vn_own
    INTERFACE -Wall
              -Wextra
              -Werror
              -Wshadow
              -Wconversion
              -Wvla
              -Wundef
              -Wcast-align
              -Wstrict-prototypes
              -Wmissing-prototypes
              -Wformat=2
              -include
              "${PROJECT_SOURCE_DIR}/src/base/banned.h")

# Clang does not know that cmocka's assert_true does not return. Stands after vn_own, whose -Wall
# would switch the warning on again.
add_library(vn_own_test INTERFACE)
target_compile_options(vn_own_test
                       INTERFACE $<$<C_COMPILER_ID:Clang>:-Wno-sometimes-uninitialized>)

# The library's include directory of a layer is src/, so code writes #include "base/reader.h".
function(vn_library layer)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LINKS")
    _vn_no_rest(vn_library)
    if(NOT arg_SOURCES)
        add_library(vn_${layer} INTERFACE)
        target_include_directories(vn_${layer} INTERFACE "${PROJECT_SOURCE_DIR}/src")
        target_link_libraries(vn_${layer} INTERFACE ${arg_LINKS})
        return()
    endif()
    add_library(vn_${layer} STATIC ${arg_SOURCES})
    target_link_libraries(vn_${layer} PRIVATE vn_own)
    target_link_libraries(vn_${layer} PUBLIC ${arg_LINKS})
    target_include_directories(vn_${layer} PUBLIC "${PROJECT_SOURCE_DIR}/src")
endfunction()

function(vn_program name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "NOINSTALL" "" "SOURCES;LINKS")
    _vn_no_rest(vn_program)
    add_executable(${name} ${arg_SOURCES})
    target_link_libraries(${name} PRIVATE vn_own ${arg_LINKS})
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
    if(NOT arg_NOINSTALL)
        add_dependencies(programs ${name})
        install(TARGETS ${name} RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
    endif()
endfunction()

function(vn_proto name proto)
    cmake_path(ABSOLUTE_PATH proto BASE_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}" NORMALIZE)
    cmake_path(GET proto PARENT_PATH proto_dir)
    cmake_path(GET proto STEM stem)
    find_program(VN_PROTOC_C NAMES protoc-c REQUIRED)
    set(out "${PROJECT_BINARY_DIR}/proto/${name}")
    file(MAKE_DIRECTORY "${out}")
    add_custom_command(
        OUTPUT "${out}/${stem}.pb-c.c" "${out}/${stem}.pb-c.h"
        COMMAND "${VN_PROTOC_C}" --proto_path=${proto_dir} --c_out=${out} ${proto}
        DEPENDS "${proto}"
        COMMENT "protoc-c ${stem}.proto"
        VERBATIM)
    add_library(vn_proto_${name} STATIC "${out}/${stem}.pb-c.c" "${out}/${stem}.pb-c.h")
    target_compile_options(vn_proto_${name} PRIVATE -w)
    target_include_directories(vn_proto_${name} SYSTEM PUBLIC "${out}")
    target_link_libraries(vn_proto_${name} PUBLIC dep::protobuf_c)
endfunction()

function(vn_unit_test name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "LABEL;TIMEOUT" "SOURCES;LINKS;ARGS")
    _vn_no_rest(vn_unit_test)
    if(NOT BUILD_TESTING)
        return()
    endif()
    if(NOT arg_LABEL)
        set(arg_LABEL unit)
    endif()
    if(NOT arg_TIMEOUT)
        set(arg_TIMEOUT 300) # only for what hangs: a busy machine is no failure
    endif()
    add_executable(test_${name} ${arg_SOURCES})
    target_link_libraries(test_${name} PRIVATE vn_own vn_own_test ${arg_LINKS} dep::cmocka)
    target_include_directories(test_${name} PRIVATE "${PROJECT_SOURCE_DIR}/tests")
    set_target_properties(test_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY
                                                  "${PROJECT_BINARY_DIR}/tests")
    add_test(NAME ${arg_LABEL}/${name} COMMAND test_${name} ${arg_ARGS})
    set_tests_properties(
        ${arg_LABEL}/${name}
        PROPERTIES LABELS ${arg_LABEL}
                   TIMEOUT ${arg_TIMEOUT}
                   SKIP_RETURN_CODE 77
                   ENVIRONMENT
                   "CMOCKA_MESSAGE_OUTPUT=TAP;VN_SOURCE_DIR=${PROJECT_SOURCE_DIR};TSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/tsan.supp")
endfunction()

function(vn_fuzz_target name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "CORPUS" "SOURCES;LINKS")
    _vn_no_rest(vn_fuzz_target)
    if(NOT BUILD_TESTING)
        return()
    endif()
    cmake_path(ABSOLUTE_PATH arg_CORPUS BASE_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}" NORMALIZE)
    add_executable(fuzz_${name} ${arg_SOURCES})
    target_link_libraries(fuzz_${name} PRIVATE vn_own ${arg_LINKS})
    target_include_directories(fuzz_${name} PRIVATE "${PROJECT_SOURCE_DIR}/tests")
    set_target_properties(fuzz_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY
                                                  "${PROJECT_BINARY_DIR}/fuzz")
    if(VN_FUZZ)
        target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
        set(run -runs=0)
    else()
        target_sources(fuzz_${name} PRIVATE "${PROJECT_SOURCE_DIR}/tests/support/fuzz_replay.c")
        set(run)
    endif()
    add_test(NAME corpus/${name} COMMAND fuzz_${name} ${run} "${arg_CORPUS}")
    set_tests_properties(corpus/${name} PROPERTIES LABELS corpus TIMEOUT 120)
endfunction()

macro(_vn_no_rest function)
    if(arg_UNPARSED_ARGUMENTS)
        message(FATAL_ERROR "${function}: unexpected ${arg_UNPARSED_ARGUMENTS}")
    endif()
endmacro()
