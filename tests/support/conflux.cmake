# A node that does to a relay what a neighbour must not.
vn_program(hostile_conflux SOURCES "${PROJECT_SOURCE_DIR}/src/conflux/main.c" hostile_conflux.c
           LINKS vn_conflux vn_core vn_crypto vn_wiping_free NOINSTALL)
target_link_options(hostile_conflux PRIVATE -Wl,--wrap=vn_tell_tether_send -Wl,--wrap=vn_end_send
                    -Wl,--wrap=vn_circuit_input -Wl,--wrap=vn_path_encode)
