vn_unit_test(replay SOURCES test_replay.c LINKS vn_core vn_test_support)
foreach(name IN ITEMS hostile_frames offload packet unreachable worker worker_egress worker_tethers)
    vn_unit_test(${name} SOURCES test_${name}.c LINKS vn_test_worker)
endforeach()
