foreach(name IN ITEMS packet worker)
    vn_fuzz_target(${name} SOURCES fuzz_${name}.c LINKS vn_core CORPUS corpus/${name})
endforeach()
