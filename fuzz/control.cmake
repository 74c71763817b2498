foreach(name IN ITEMS join_token login_answer)
    vn_fuzz_target(${name} SOURCES fuzz_${name}.c LINKS vn_control CORPUS corpus/${name})
endforeach()
