package wild_pkg;
  localparam logic Inverted = 1'b0;
endpackage
