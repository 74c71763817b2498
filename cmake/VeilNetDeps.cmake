# Every library we link, as dep::<name>. Headers are SYSTEM, so our warnings stop at our own code.

find_package(PkgConfig REQUIRED)

function(_vn_dep name)
    pkg_check_modules(VN_DEP_${name} REQUIRED IMPORTED_TARGET GLOBAL ${ARGN})
    add_library(dep::${name} ALIAS PkgConfig::VN_DEP_${name})
endfunction()

_vn_dep(crypto "libcrypto>=3.5") # ML-KEM and ML-DSA arrived in OpenSSL 3.5
_vn_dep(ssl "libssl>=3.5")
_vn_dep(uv libuv)
_vn_dep(protobuf_c libprotobuf-c)
_vn_dep(jansson jansson)
_vn_dep(jose jose)
_vn_dep(curl libcurl)
_vn_dep(sqlite sqlite3)
_vn_dep(mnl libmnl)
_vn_dep(maxminddb libmaxminddb)
_vn_dep(nats "libnats>=3.10")
if(BUILD_TESTING)
    _vn_dep(cmocka cmocka)
    _vn_dep(usrsctp usrsctp) # a peer of our SCTP
endif()

# libipsec-mb ships no pkg-config file, and exists on amd64 only.
find_library(VN_IPSECMB_LIBRARY IPSec_MB)
add_library(dep_ipsecmb INTERFACE)
add_library(dep::ipsecmb ALIAS dep_ipsecmb)
if(VN_IPSECMB_LIBRARY)
    target_link_libraries(dep_ipsecmb INTERFACE "${VN_IPSECMB_LIBRARY}")
    target_compile_definitions(dep_ipsecmb INTERFACE VN_HAVE_IPSECMB=1)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|amd64|AMD64")
    message(FATAL_ERROR "libipsec-mb not found")
endif()

# libwebsockets' libuv glue is a plug-in loaded at run time (libwebsockets-evlib-uv).
_vn_dep(lws libwebsockets)

find_package(Threads REQUIRED)
add_library(dep_threads INTERFACE)
target_link_libraries(dep_threads INTERFACE Threads::Threads)
add_library(dep::threads ALIAS dep_threads)
