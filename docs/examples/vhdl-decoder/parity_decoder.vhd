-- Repetition code of distance 3, three rounds: a shot is one byte, detector i in bit i. The observable is flipped where
-- the events of stabilizer 1 (the odd bits) are odd in number and those of stabilizer 0 even.
library ieee;
use ieee.std_logic_1164.all;
use work.parity_pkg.all;

entity parity_decoder is
  port (
    clk, rst  : in  std_logic;
    in_data   : in  std_logic_vector(7 downto 0);
    in_valid  : in  std_logic;
    in_ready  : out std_logic;
    out_data  : out std_logic_vector(7 downto 0);
    out_valid : out std_logic;
    out_ready : in  std_logic
  );
end entity;

architecture rtl of parity_decoder is
  signal full : std_logic;
begin
  in_ready  <= not full;
  out_valid <= full;
  process (clk) begin
    if rising_edge(clk) then
      if rst = '1' then
        full <= '0';
      elsif full = '0' and in_valid = '1' then
        full        <= '1';
        out_data    <= (others => '0');
        out_data(0) <= parity(in_data and x"AA") and not parity(in_data and x"55");
      elsif out_ready = '1' then
        full <= '0';
      end if;
    end if;
  end process;
end architecture;
