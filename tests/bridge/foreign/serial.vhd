-- serial.sv in VHDL.
library ieee;
use ieee.std_logic_1164.all;
use ieee.numeric_std.all;

entity serial is
  generic (Width : positive := 8; Words : positive := 1; Answers : positive := 1);
  port (
    clk       : in  std_logic;
    rst       : in  std_logic;
    in_data   : in  std_logic_vector(Width - 1 downto 0);
    in_valid  : in  std_logic;
    in_ready  : out std_logic;
    out_data  : out std_logic_vector(Width - 1 downto 0);
    out_valid : out std_logic;
    out_last  : out std_logic;
    out_ready : in  std_logic
  );
end entity;

architecture rtl of serial is
  signal word, answer    : natural := 0;
  signal odd, even, full : std_logic := '0';
begin
  in_ready  <= not full;
  out_valid <= full;
  out_last  <= '1' when answer = Answers - 1 else '0';
  process (all)
  begin
    out_data <= std_logic_vector(resize(to_unsigned(answer, 32), Width));
    if answer = Answers - 1 then
      out_data    <= (others => '0');
      out_data(0) <= odd and not even;
    end if;
  end process;
  process (clk)
    variable next_odd, next_even : std_logic;
  begin
    if rising_edge(clk) then
      if rst = '1' then
        word <= 0; answer <= 0; full <= '0'; odd <= '0'; even <= '0';
      elsif in_valid = '1' and full = '0' then
        next_odd := odd; next_even := even;
        if word = 0 then next_odd := '0'; next_even := '0'; end if;
        for index in 0 to Width - 1 loop
          if (Width * word + index) mod 2 = 1 then
            next_odd := next_odd xor in_data(index);
          else
            next_even := next_even xor in_data(index);
          end if;
        end loop;
        odd <= next_odd; even <= next_even;
        if word = Words - 1 then
          word <= 0; full <= '1';
        else
          word <= word + 1;
        end if;
      elsif full = '1' and out_ready = '1' then
        if answer = Answers - 1 then
          answer <= 0; full <= '0';
        else
          answer <= answer + 1;
        end if;
      end if;
    end if;
  end process;
end architecture;
