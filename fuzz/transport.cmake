foreach(name IN ITEMS dcep dtls ice sctp stun stun_server turn)
    vn_fuzz_target(${name} SOURCES fuzz_${name}.c LINKS vn_transport CORPUS corpus/${name})
endforeach()
