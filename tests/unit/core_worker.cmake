foreach(name IN ITEMS coalesce fq hostile_frames offload packet retain stream_keys unreachable worker worker_crew
                      worker_delivery worker_egress worker_relay worker_spread worker_tally worker_tethers
                      tally)
    vn_unit_test(${name} SOURCES test_${name}.c LINKS vn_test_worker)
endforeach()
vn_unit_test(worker_oom SOURCES test_worker_oom.c LINKS vn_test_oom vn_test_worker TIMEOUT 120)
